"""Read: a commit's payload with colours, a manifest as the assets that it names, and how to get the same elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from rainer.api import asking
from rainer.api.needs import asker_of
from rainer.api.pages import showing
from rainer.api.pages.colouring import language_of, line_markup, lines_of
from rainer.api.pages.rendering import HEADERS, page
from rainer.api.reading import service_of
from rainer.errors import RainerError
from rainer.journal.row import Namespace, Row
from rainer.model import names
from rainer.model.difference import decode
from rainer.model.manifest import Entry, Manifest
from rainer.model.manifest_json import parse_object
from rainer.model.marks import members_of

VIEW_CHARS: Final = 65_536
"""So much of a text is on one page; the rest is on the next ones."""
_LINES: Final = 2_000
_SOME_LINES: Final = re.compile(rf"(?:[^\n]*+\n){{1,{_LINES}}}+")
_ASSETS: Final = 500
_BYTES_ROWS: Final = 64
_REVISION_MAX: Final = 2**63 - 1


def place_of(request: Request) -> tuple[str, str]:
    """The namespace and the key in the path of a page."""
    namespace, key = (asking.segment(one) for one in asking.raw_segments(request.scope)[2:4])
    return names.check_namespace(namespace), names.check_key(key)


def version_of(request: Request, name: str = "version") -> int | None:
    """A version in the query; None where none is named."""
    text = request.query_params.get(name, "").strip()
    return names.parse_version(text) if text else None


async def show_key(request: Request) -> Response:
    """`GET /-/ui/{ns}/{key}`: the head, a version, or what was the head at a revision."""
    service = service_of(request)
    namespace, key = place_of(request)
    at = asking.number(request, "at", None, 0, _REVISION_MAX)
    version = version_of(request)
    space = await service.live.namespace(namespace)
    head = (await service.live.in_thread(service.reads.commit, namespace, key, None, None, False))[1]
    row = (await service.live.in_thread(service.reads.commit, namespace, key, version, at, True))[1]
    part = asking.bounded(request, "piece", 0, 0, 10**6)
    as_text = request.query_params.get("as") == "text"
    view = await service.live.in_thread(partial(_view, row, space, part, as_text=as_text))
    return page(
        request, "key.html", namespace=namespace, key=key, space=space, row=row, head=head, view=view, tab="value",
        done=version_of(request, "done"),
        marks=members_of(row.marks) if row.marks else {}, is_head=row.version == head.version, at=at,
        commands=commands(request, namespace, key, row.version if row.version != head.version else None),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of a payload: one of empty, text, bytes, assets; pieces count from 0."""

    kind: str
    size_bytes: int = 0
    lines: tuple[Markup, ...] = ()
    first_line: int = 1
    language: str = ""
    piece: int = 0
    pieces: int = 1
    assets: tuple[tuple[str, Entry | None, str], ...] = ()
    assets_total: int = 0
    is_manifest: bool = False
    has_end: bool = True
    bytes_rows: tuple[tuple[str, str, str], ...] = ()


def _view(row: Row, space: Namespace, piece: int, *, as_text: bool) -> View:
    if row.payload is None:
        return View("empty")
    payload = bytes(row.payload)
    text = decode(payload)
    if text is None:
        return View("bytes", len(payload), bytes_rows=tuple(_bytes_rows(payload)))
    assets = _assets(payload) if text.lstrip().startswith("{") else None
    if assets is not None and not as_text:
        pieces = -(-len(assets) // _ASSETS)
        shown = tuple(_asset(assets, path) for path in list(assets)[piece * _ASSETS : (piece + 1) * _ASSETS])
        return View(
            "assets", len(payload), assets=shown, assets_total=len(assets), piece=piece, pieces=pieces,
            is_manifest=True,
        )  # fmt: skip
    starts = piece_starts(text)
    piece = min(piece, len(starts) - 1)
    end = starts[piece + 1] if piece + 1 < len(starts) else len(text)
    part = text[starts[piece] : end]
    language = language_of(row.key, space.format, text)
    lines = tuple(line_markup(line) for line in lines_of(part, language))
    return View(
        "text", len(payload), lines, text.count("\n", 0, starts[piece]) + 1, language, piece, len(starts),
        is_manifest=assets is not None, has_end=not text or text.endswith("\n"),
    )  # fmt: skip


def piece_starts(text: str) -> list[int]:
    """Where the pieces of a text begin that one page shows: after a line's end where there is one in reach."""
    starts = [0]
    while True:
        begin = starts[-1]
        stop = begin + VIEW_CHARS
        lines = _SOME_LINES.match(text, begin, stop)
        end = stop if lines is None else lines.end()
        if end >= len(text) or (stop >= len(text) and text.count("\n", begin) < _LINES):
            return starts
        starts.append(end)


def _assets(payload: bytes) -> Manifest | None:
    """The manifest that a payload is; None where it is none, or could as well be something else."""
    try:
        found = Manifest.parse(payload)
    except RainerError:
        return None
    is_one = len(found) > 0 and all(path.startswith("/") for path in parse_object(payload))
    return found if is_one and _asset(found, next(iter(found)))[1] is not None else None


def _asset(assets: Manifest, path: str) -> tuple[str, Entry | None, str]:
    try:
        return path, assets[path], ""
    except RainerError as e:
        return path, None, e.message


def _bytes_rows(payload: bytes) -> list[tuple[str, str, str]]:
    """The first kilobyte as hexadecimal digits, sixteen bytes a row."""
    rows = []
    for at in range(0, min(len(payload), 16 * _BYTES_ROWS), 16):
        part = payload[at : at + 16]
        letters = "".join(chr(b) if 0x20 <= b < 0x7F else "·" for b in part)
        rows.append((f"{at:06x}", part.hex(" "), letters))
    return rows


def commands(request: Request, namespace: str, key: str, version: int | None) -> list[tuple[str, str]]:
    """The command line and the curl call that give the same."""
    base = f"{request.url.scheme}://{request.headers.get('host', 'localhost')}{request.scope.get('root_path', '')}"
    tail = "" if version is None else f"/{version}"
    address = f"{base}/{quote(namespace, safe='')}/{quote(key, safe='')}{tail}"
    token = "" if asker_of(request).identity.is_open else ' -H "Authorization: Bearer $RAINER_TOKEN"'
    word = showing.shell_word(key)
    word = f"-- {word}" if word.startswith("-") else word
    number = "" if version is None else f" {version}"
    return [
        ("rainer", f"rainer --url {showing.shell_word(f'{base}/{namespace}')} show {word}{number}"),
        ("curl", f"curl{token} {showing.shell_word(address)}"),
    ]


async def download(request: Request) -> Response:
    """`GET /-/ui/{ns}/{key}/download`: the payload as a file, never as a page."""
    service = service_of(request)
    namespace, key = place_of(request)
    row = (await service.live.in_thread(service.reads.commit, namespace, key, version_of(request), None, True))[1]
    name = f"attachment; filename*=UTF-8''{quote(showing.plain(key), safe='')}"
    headers: dict[str, Any] = {**HEADERS, "Content-Disposition": name}
    return Response(bytes(row.payload or b""), 200, headers, "application/octet-stream")
