"""JSON of manifests and lock files, read strictly: no member twice, and errors that tell the line."""

from __future__ import annotations

import json
import re
from typing import Any

from rainer.errors import InvalidManifest
from rainer.model.names import shorten


def parse_object(data: bytes, what: str = "manifest") -> dict[str, Any]:
    """The JSON object that some bytes hold, without a member twice; else InvalidManifest that tells line and column."""
    try:
        found = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object_of)
    except _Twice as e:
        line = line_of(data, e.name)
        at = "" if line is None else f", at line {line}"
        raise InvalidManifest(f"the {what} has {shorten(e.name)} twice{at}", line=line) from None
    except json.JSONDecodeError as e:
        raise InvalidManifest(
            f"the {what} is not JSON: {e.msg} at line {e.lineno}, column {e.colno}", line=e.lineno, column=e.colno
        ) from None
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise InvalidManifest(f"the {what} is not UTF-8 at line {line}", line=line) from None
    except (ValueError, RecursionError) as e:
        raise InvalidManifest(f"the {what} is not JSON that can be read: {e}") from None
    if not isinstance(found, dict):
        raise InvalidManifest(f"the {what} is not a JSON object", hint='write it like {"/foo/bar.csv": "1.2.5"}')
    return found


class _Twice(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Twice(name)
            seen.add(name)
    return found


def cut(text: str) -> str:
    """A place in a manifest, cut for an error message."""
    return text if len(text) <= 200 else f"{text[:200]}…"


def line_of(data: bytes, name: str) -> int | None:
    """The line where a member stands, the last of its name, if it is spelt as Python or most others would spell it.

    None where it is not, and where several entries have a member of that name.
    """
    bare = name[1:] if name.startswith("/") else name
    spellings = {json.dumps(n, ensure_ascii=ascii_only) for n in (name, bare) for ascii_only in (True, False)}
    texts = "|".join(re.escape(s).encode("utf-8", "surrogatepass").decode("latin-1") for s in sorted(spellings))
    found = list(re.finditer(rf"(?:{texts})\s*:".encode("latin-1"), data))
    return data.count(b"\n", 0, found[-1].start()) + 1 if 1 <= len(found) <= 2 else None
