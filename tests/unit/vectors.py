"""Reads the golden vectors of tests/vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rainer.model.marks import Marks

_FOLDER = Path(__file__).resolve().parents[1] / "vectors"


def load(name: str) -> Any:
    """The content of a file of vectors."""
    return json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))


def raw(spelt: dict[str, Any]) -> bytes:
    """Bytes spelt as text or in hexadecimal, so many times; or in pieces that are."""
    if "pieces" in spelt:
        return b"".join(map(raw, spelt["pieces"]))
    one: bytes = spelt["utf8"].encode() if "utf8" in spelt else bytes.fromhex(spelt["hex"])
    times: int = spelt.get("times", 1)
    return one * times


def text(spelt: str | dict[str, Any]) -> str:
    """A text, perhaps one that is repeated."""
    return spelt if isinstance(spelt, str) else spelt["of"] * spelt["times"]


def marks_of(told: dict[str, Any]) -> Marks | None:
    """What a server says of the commit that is told, None for nothing."""
    return Marks.from_members(told.get("marks", {}))


def name_of(vector: Any) -> str:
    """What pytest calls a vector."""
    return vector["name"] if isinstance(vector, dict) and "name" in vector else ascii(vector)[:40]
