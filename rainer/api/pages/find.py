"""Find: namespaces, and in one of them keys, by name, by what they hold, by when they changed, and as of any moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from rainer.access.permissions import Asker
from rainer.api import asking
from rainer.api.needs import asker_of
from rainer.api.pages import finding
from rainer.api.pages.finding import Found
from rainer.api.pages.rendering import links_of, page, redirect
from rainer.api.reading import service_of
from rainer.errors import InvalidError
from rainer.journal.row import Namespace, Row
from rainer.model import names, times
from rainer.service import Service

_REVISION_MAX: Final = 2**63 - 1
_RECENT: Final = 15
_CHANGES: Final = 100
_LOOKS: Final = 10
_QUERY_CHARS_MAX: Final = 500
_SEARCH_PATIENCE_S: Final = 20.0
_SORT_PATIENCE_S: Final = 0.2
_COUNT_PATIENCE_S: Final = 0.02


async def show_home(request: Request) -> Response:
    """`GET /-/ui`: the namespaces, and what was committed last in all of them."""
    service, asker = service_of(request), asker_of(request)
    spaces = await service.live.in_thread(service.reads.namespaces)
    seen = [spaces[name] for name in sorted(spaces) if asker.rights.sees(name)]
    last = await service.live.in_thread(_last_of_each, service, asker, seen)
    by_id = {space.id: space.name for space in seen}
    recent = await service.live.in_thread(_readable_recent, service, asker, by_id, None, _RECENT)
    state = await service.live.heads.state()
    return page(
        request, "home.html", spaces=seen, last=last, recent=recent[0], names_by_id=by_id, revision=state.revision
    )


def _last_of_each(service: Service, asker: Asker, spaces: Sequence[Namespace]) -> dict[str, Row]:
    found = {}
    for space in spaces:
        rows = service.reads.recent(space.name, limit=1)
        if rows and rows[0].key in asker.readable(space.name):
            found[space.name] = rows[0]
    return found


def _readable_recent(
    service: Service, asker: Asker, by_id: dict[int, str], namespace: str | None, limit: int, before: int | None = None
) -> tuple[list[Row], int | None]:
    """Commits that somebody may read, newest first, and before which revision to go on; after a few looks it ends."""
    found: list[Row] = []
    for _ in range(_LOOKS):
        rows = service.reads.recent(namespace, before=before, limit=limit)
        readable = [r for r in rows if r.namespace_id in by_id and r.key in asker.readable(by_id[r.namespace_id])]
        found += readable[: limit - len(found)]
        if len(rows) < limit:
            return found, None
        before = rows[-1].revision if len(found) < limit else found[-1].revision
        if len(found) == limit:
            break
    return found, before


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request for a list asks."""

    namespace: str
    query: str
    sort: str
    view: str
    at: int | None
    only_changed: bool
    after: str | None
    page: int

    @classmethod
    def of(cls, request: Request) -> Asked:
        given = request.query_params
        query = given.get("q", "").strip()
        if len(query) > _QUERY_CHARS_MAX:
            raise InvalidError(f"the search has {len(query)} characters", hint=f"at most {_QUERY_CHARS_MAX}")
        return cls(
            names.check_namespace(asking.segment(asking.raw_segments(request.scope)[2])), query,
            "changed" if given.get("sort") == "changed" else "key",
            "changes" if given.get("view") == "changes" else "keys", _at(request), given.get("only") == "changed",
            given.get("after") or None, asking.bounded(request, "page", 0, 0, 10**6),
        )  # fmt: skip


def _at(request: Request) -> int | None:
    text = request.query_params.get("at", "").strip()
    return asking.whole(text, "at", 0, _REVISION_MAX) if text else None


async def show_namespace(request: Request) -> Response:
    """`GET /-/ui/{ns}`: the keys, or with `view=changes` the commits."""
    service = service_of(request)
    moment = request.query_params.get("time", "").strip()
    if moment:
        return await _to_moment(request, moment)
    asked = Asked.of(request)
    space = await service.live.namespace(asked.namespace)
    state = await service.live.heads.state()
    if asked.at is not None and asked.at >= state.revision:
        asked = _now(asked, state.revision)
    context: dict[str, Any] = {
        "namespace": asked.namespace, "space": space, "asked": asked, "revision": state.revision, "words": [],
        "moment_row": None, "recorded_ms": state.recorded_ms,
    }  # fmt: skip
    if asked.view == "changes":
        return await _show_changes(request, asked, context)
    if asked.at is not None:
        context["moment_row"] = await _moment(service, asker_of(request), asked)
    else:
        context["words"] = finding.words_of(asked.query)
    found = await _find(service, asker_of(request), asked, space)
    count = await _count(service, asker_of(request), asked, space)
    return page(request, "namespace.html", found=found, count=count, **context)


async def _count(service: Service, asker: Asker, asked: Asked, space: Namespace) -> int | None:
    """How many keys there are, if that is known at once; and whoever searches next finds all made ready."""
    if asked.at is not None:
        return None
    texts = await service.searching.at_once(service.live, space, _COUNT_PATIENCE_S)
    keys = asker.readable(asked.namespace)
    return None if texts is None or not keys.is_all else len(texts.keys)


def _now(asked: Asked, revision: int) -> Asked:
    """What lies at the journal's end is now; what lies beyond is nothing."""
    if asked.at is not None and asked.at > revision:
        raise InvalidError(f"revision {asked.at} is not there yet", hint=f"the journal stands at {revision}")
    return Asked(asked.namespace, asked.query, asked.sort, asked.view, None, False, asked.after, asked.page)


async def _find(service: Service, asker: Asker, asked: Asked, space: Namespace) -> Found:
    live, reads, keys = service.live, service.reads, asker.readable(asked.namespace)
    if asked.at is not None:
        if asked.only_changed:
            return await live.in_thread(finding.changed_since, reads, asked.namespace, keys, asked.at)
        pinned = await live.in_thread(reads.pin, asked.at)
        return await live.in_thread(finding.as_of, reads, asked.namespace, keys, pinned, asked.after, asked.query)
    words = finding.words_of(asked.query)
    notes = []
    if words or asked.sort == "changed":
        patience_s = _SEARCH_PATIENCE_S if words else _SORT_PATIENCE_S
        texts = await service.searching.at_once(live, space, patience_s)
        if texts is not None and words:
            return await live.in_thread(finding.search, reads, texts, space.id, keys, words, asked.page)
        if texts is not None:
            return finding.by_change(texts, keys, asked.page)
        if words:
            return await live.in_thread(finding.walk, reads, asked.namespace, keys, words, asked.after)
        notes = ["sorted by key: the order of changes is being made ready, or the namespace is too large for it"]
    pinned = await live.in_thread(reads.pin, None)
    found = await live.in_thread(finding.by_key, reads, asked.namespace, keys, pinned, asked.after)
    return Found(found.rows, found.after, notes=notes)


async def _show_changes(request: Request, asked: Asked, context: dict[str, Any]) -> Response:
    service, asker = service_of(request), asker_of(request)
    space: Namespace = context["space"]
    read = partial(
        _readable_recent, service, asker, {space.id: space.name}, asked.namespace, _CHANGES, _before(request)
    )
    rows, before = await service.live.in_thread(read)
    return page(request, "changes.html", rows=rows, before=before, **context)


def _before(request: Request) -> int | None:
    return asking.number(request, "before", None, 1, _REVISION_MAX)


async def _moment(service: Service, asker: Asker, asked: Asked) -> Row | None:
    """The commit that stood last at a past revision, if it may be read."""
    assert asked.at is not None
    read = partial(service.reads.recent, asked.namespace, before=asked.at + 1, limit=1)
    rows = await service.live.in_thread(read)
    return rows[0] if rows and rows[0].key in asker.readable(asked.namespace) else None


async def _to_moment(request: Request, text: str) -> Response:
    """On to the revision at which the journal stood at a time, which is UTC unless it says otherwise."""
    service = service_of(request)
    namespace = names.check_namespace(asking.segment(asking.raw_segments(request.scope)[2]))
    revision = await service.live.in_thread(service.reads.revision_at, _time_ms(text))
    kept = {name: request.query_params.get(name) for name in ("q", "only", "part")}
    return redirect(links_of(request).namespace(namespace, at=revision, **kept))


def _time_ms(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
        return times.parse_iso(text) if found.tzinfo else times.parse_iso(f"{found.isoformat()}Z")
    except ValueError:
        raise InvalidError(
            f"time {names.shorten(text)} cannot be read", hint="write it like 2026-01-31T12:34, which is UTC"
        ) from None
