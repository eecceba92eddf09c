"""File names that hurt nobody: what a URI or a caller calls a file, made fit for a folder of the cache."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

NAME_BYTES_MAX: Final = 200
"""Longer names are cut, which leaves room for what other programs append to a name (file systems take 255 bytes)."""
_ENDING_BYTES_MAX: Final = 40
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_UNFIT: Final = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\ud800-\udfff\u2028-\u202e\u2066-\u2069]')
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/?/?")


def is_uri(text: str) -> bool:
    """Whether a text names something in a store rather than a local file."""
    return "://" in text and _SCHEME.match(text) is not None


@lru_cache(maxsize=65_536)
def name_of_uri(uri: str) -> str:
    """The file name for what a URI leads to: its last component, made safe."""
    path = re.split(r"[?#]", uri, maxsplit=1)[0] if uri.startswith(("http:", "https:")) else uri
    return safe_name(unquote(path.rstrip("/").rsplit("/", 1)[-1]))


def safe_name(name: str) -> str:
    """A name that any file system takes and that leads nowhere else, as like to `name` as can be.

    Control characters, separators, what Windows forbids and what turns text around become `_`; names that are
    reserved or only dots are changed; those of more than 200 bytes of UTF-8 are cut, their ending (`.csv.gz`) kept.
    """
    last = re.split(r"[/\\]", name)[-1]
    fit = _UNFIT.sub("_", last).rstrip(" .").lstrip(" ")
    if not fit.strip("."):
        return "file"
    if _RESERVED.fullmatch(fit):
        fit = "_" + fit
    return fit if len(fit.encode()) <= NAME_BYTES_MAX else _cut(fit)


def _cut(name: str) -> str:
    mark = "~" + hashlib.sha256(name.encode()).hexdigest()[:8]
    stem, dot, ending = name.partition(".") if name.count(".") <= 2 else _last_two(name)
    ending = dot + ending
    if len(ending.encode()) > _ENDING_BYTES_MAX:
        stem, ending = name, ""
    room = NAME_BYTES_MAX - len(mark) - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore") + mark + ending


def _last_two(name: str) -> tuple[str, str, str]:
    stem, last_but_one, last = name.rsplit(".", 2)
    return stem, ".", f"{last_but_one}.{last}"
