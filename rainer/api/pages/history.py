"""History: the timeline of a key, the difference between any two of its versions, and blame."""

from __future__ import annotations

from functools import partial
from typing import Final

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from rainer.api import asking
from rainer.api.pages.blaming import Blame, blame
from rainer.api.pages.colouring import language_of, line_markup, lines_of
from rainer.api.pages.diffing import Drawn, draw
from rainer.api.pages.read import place_of, version_of
from rainer.api.pages.rendering import page
from rainer.api.reading import service_of
from rainer.errors import NotFoundError
from rainer.journal.row import Row
from rainer.limits import VERSION_MAX
from rainer.model.marks import members_of
from rainer.service import Service

_TIMELINE: Final = 100
_CONTEXT: Final = 3
_WHOLE: Final = 1_000_000
_AGES: Final = 5
_BLAME_LINES_MAX: Final = 5_000
_BLAME_MARKUP_MAX: Final = 1_000_000


async def show_history(request: Request) -> Response:
    """`GET /-/ui/{ns}/{key}/history` and `/diff?from=&to=`: the timeline, and beside it what one step of it changed.

    Without `to` it is the newest version, without `from` the one before `to`; `from=0` is nothing at all.
    """
    service = service_of(request)
    namespace, key = place_of(request)
    space = await service.live.namespace(namespace)
    before = asking.number(request, "before", None, 1, VERSION_MAX + 1)
    to = version_of(request, "to")
    if before is None and to is not None:
        before = None if await _is_near(service, namespace, key, to) else to + _TIMELINE // 2
    read = partial(service.reads.log, namespace, key, before=before, limit=_TIMELINE, at=None, payloads=False)
    _, rows, more = await service.live.in_thread(read)
    head = (await service.live.in_thread(service.reads.commit, namespace, key, None, None, False))[1]
    if not rows:
        raise NotFoundError("Key not found")
    to = rows[0].version if to is None else to
    base = _base(request, to)
    split = request.query_params.get("view") == "split"
    whole = request.query_params.get("lines") == "all"
    new = await _version(service, namespace, key, to)
    old = await _version(service, namespace, key, base) if base else None
    assert new is not None
    before_it = None if old is None else old.payload
    work = partial(
        draw, before_it, new.payload, key, space.format, split=split, context=_WHOLE if whole else _CONTEXT
    )  # fmt: skip
    drawn: Drawn = await service.in_turn(work, before_it, new.payload)
    return page(
        request, "history.html", namespace=namespace, key=key, space=space, rows=rows, more=more, head=head, new=new,
        old=old, base=base, to=to, split=split, whole=whole, drawn=drawn, before=before, tab="history",
        marks={row.version: members_of(row.marks) for row in rows if row.marks}, step=_TIMELINE,
    )  # fmt: skip


async def _is_near(service: Service, namespace: str, key: str, version: int) -> bool:
    head = (await service.live.in_thread(service.reads.commit, namespace, key, None, None, False))[1]
    return head.version - version < _TIMELINE


def _base(request: Request, to: int) -> int:
    """The version to compare with; 0 for nothing."""
    text = request.query_params.get("from", "").strip()
    return to - 1 if not text else asking.whole(text, "from", 0, VERSION_MAX)


async def _version(service: Service, namespace: str, key: str, version: int) -> Row:
    return (await service.live.in_thread(service.reads.commit, namespace, key, version, None, True))[1]


async def show_blame(request: Request) -> Response:
    """`GET /-/ui/{ns}/{key}/blame`: of each line the commit that last changed it."""
    service = service_of(request)
    namespace, key = place_of(request)
    space = await service.live.namespace(namespace)
    head = (await service.live.in_thread(service.reads.commit, namespace, key, None, None, False))[1]
    version = version_of(request) or head.version
    row = await _version(service, namespace, key, version)
    found = await service.in_turn(partial(blame, service.reads, namespace, key, version))
    lines: list[Markup] = []
    if found is not None:
        lines = await service.in_turn(partial(coloured, found, key, space.format), row.payload)
    return page(
        request, "blame.html", namespace=namespace, key=key, space=space, head=head, row=row, found=found,
        groups=[] if found is None else _groups(found, lines), tab="blame",
        is_cut=found is not None and len(lines) < len(found.lines),
    )  # fmt: skip


def coloured(found: Blame, key: str, form: str) -> list[Markup]:
    """The lines of a blame as Markup; those that no page has room for are left out."""
    text = "\n".join(found.lines)
    left = _BLAME_MARKUP_MAX
    lines: list[Markup] = []
    for line in lines_of(text, language_of(key, form, text))[:_BLAME_LINES_MAX]:
        if left < 0:
            break
        lines.append(line_markup(line))
        left -= len(lines[-1])
    return lines


def _groups(found: Blame, lines: list[Markup]) -> list[tuple[Row | None, int, list[tuple[int, Markup]]]]:
    """Runs of lines that came with the same commit: its row, how old it is in fifths of all here, and the lines."""
    known = sorted({version for version in found.versions if version is not None})
    age = {version: (place * _AGES) // len(known) for place, version in enumerate(known)}
    groups: list[tuple[Row | None, int, list[tuple[int, Markup]]]] = []
    last: int | None = -1
    for place, markup in enumerate(lines):
        version = found.versions[place]
        if version != last:
            groups.append((found.rows.get(version or 0), age.get(version or 0, 0), []))
            last = version
        groups[-1][2].append((place + 1, markup))
    return groups
