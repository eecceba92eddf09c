"""Lists of what to prefetch: the ancestor's (baiji's) YAML, with URLs and paths, such as our `missing_assets.yaml`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rainer.errors import InvalidError

_BYTES_MAX: Final = 64 * 1024 * 1024
_HINT: Final = "a list has one `- s3://bucket/file` or `- /versioned/path` a line; lock files are read as well"


@dataclass(frozen=True, slots=True)
class WantedList:
    """What a list names: URLs, and paths of the manifest."""

    uris: tuple[str, ...]
    paths: tuple[str, ...]


def read_bytes(file: Path) -> bytes:
    """The file, or of `-` standard input."""
    if str(file) == "-":
        return sys.stdin.buffer.read(_BYTES_MAX + 1)
    try:
        with file.open("rb") as opened:
            return opened.read(_BYTES_MAX + 1)
    except OSError as e:
        raise InvalidError(f"{file} cannot be read: {e.strerror}", hint="name a list, or a lock file") from None


def parse_list(data: bytes, name: str) -> WantedList:
    """Read a list; each name once, in its order. Raises InvalidError with the place of what is wrong."""
    import yaml

    if len(data) > _BYTES_MAX:
        raise InvalidError(f"{name} has more than {_BYTES_MAX // 1024**2} MiB, which is no list", hint=_HINT)
    try:
        loaded = yaml.load(data.decode(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except UnicodeDecodeError:
        raise InvalidError(f"{name} is not text", hint=_HINT) from None
    except (yaml.YAMLError, RecursionError) as e:
        mark = getattr(e, "problem_mark", None)
        place = "" if mark is None else f" at line {mark.line + 1}"
        raise InvalidError(f"{name} is not YAML{place}: {getattr(e, 'problem', None) or e}", hint=_HINT) from None
    return _sorted_out([] if loaded is None else loaded, name)


def _sorted_out(loaded: object, name: str) -> WantedList:
    if not isinstance(loaded, list):
        raise InvalidError(f"{name} is YAML, and no list", hint=_HINT)
    for number, item in enumerate(loaded, 1):
        if not isinstance(item, str) or not item.strip():
            raise InvalidError(f"{name}: number {number} of the list is {item!r:.60}, and no name", hint=_HINT)
    names = dict.fromkeys(item.strip() for item in loaded)
    return WantedList(
        tuple(item for item in names if "://" in item), tuple(item for item in names if "://" not in item)
    )  # fmt: skip
