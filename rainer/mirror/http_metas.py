"""What a server's JSON says, made into packed heads: lists, and pages of the feed."""

from __future__ import annotations

import json
import re
from binascii import a2b_base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rainer.client.answers import array_of, json_object
from rainer.client.refusals import foreign
from rainer.client.transport import Answer
from rainer.model.marks import Marks
from rainer.model.packed import Kind, PackedHead
from rainer.model.position import Position

_decode = json.JSONDecoder().raw_decode
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the feed: whole changesets, in journal order, up to a position.

    `age_s` is how long ago a server that is a mirror itself was known to be current, None where it never was.
    `readable` stands for what the mirror may read of the namespace, where the server asks who it is.
    """

    records: list[PackedHead]
    position: Position
    more: bool
    age_s: float | None = 0.0
    readable: str | None = None


def page_of(answer: Answer) -> Page:
    """The page that an answer is; InvalidError where it is none."""
    return page_of_members(answer, json_object(answer))


def page_of_members(answer: Answer, body: Mapping[str, Any]) -> Page:
    """The same, read already."""
    records = [head_of_meta(meta) for meta in array_of(answer, body, "changes")]
    try:
        position = Position(str(body["lineage"]), int(body["revision"]), bytes.fromhex(body["chain"]))
        age_s = body.get("age_s", 0.0)
        told_s = None if age_s is None else max(0.0, float(age_s))
        return Page(records, position, bool(body.get("more")), told_s, body.get("readable"))
    except (KeyError, TypeError, ValueError) as e:
        raise foreign(answer, f"its position cannot be read: {e}") from None


def heads_of_list(answer: Answer) -> Iterator[PackedHead]:
    """The heads of a list, removed ones included, one after the other: a list may be large. InvalidError in the end."""
    try:
        for key, meta in _members(answer.body.decode()):
            yield head_of_meta(meta, key)
    except (ValueError, IndexError, RecursionError) as e:
        raise foreign(answer, f"its body is not a JSON object ({e})") from None


def _members(text: str) -> Iterator[tuple[str, Any]]:
    """The members of a JSON object, of which never more than one is in memory; ValueError, IndexError."""
    at = _blank(text, 0)
    if text[at] != "{":
        raise ValueError("it does not begin with a brace")
    at = _blank(text, at + 1)
    while text[at] != "}":
        key, at = _decode(text, at)
        at = _blank(text, at)
        if not isinstance(key, str) or text[at] != ":":
            raise ValueError(f"no member at character {at}")
        value, at = _decode(text, _blank(text, at + 1))
        yield key, value
        at = _blank(text, at)
        if text[at] == ",":
            at = _blank(text, at + 1)
        elif text[at] != "}":
            raise ValueError(f"neither a comma nor a brace at character {at}")
    if _blank(text, at + 1) != len(text):
        raise ValueError(f"something follows at character {at + 1}")


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return at if found is None else found.end()


def head_of_meta(meta: Any, key: str = "") -> PackedHead:
    """The head that a meta with its payload is, in the ancestor's bytes.

    One that cannot be made has no bytes, which a mirror rejects: so it keeps what it has, and says so.
    """
    try:
        key = key or meta["key"]
        is_empty = meta.get("empty") is True
        members = {
            "key": meta["key"], "version": meta["version"], "author": meta.get("author") or "",
            "comment": meta.get("comment") or "", "mtime": meta["mtime"], "empty": is_empty,
        }  # fmt: skip
        marks = Marks.from_members(meta)
        header = _encode(members if marks is None else members | marks.members()).encode()
        payload = b"" if is_empty else a2b_base64(meta["payload_base64"], strict_mode=True)
        data = b"%d\n%b\n%b\n" % (len(header), header, payload)
        return PackedHead(key, 0, meta.get("revision") or 0, Kind.REMOVED if is_empty else Kind.HEAD, data)
    except (KeyError, TypeError, ValueError, AttributeError):
        return PackedHead(key, 0, 0, Kind.HEAD, b"")
