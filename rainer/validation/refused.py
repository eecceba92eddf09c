"""What is said of a draft that breaks a rule."""

from __future__ import annotations

from typing import Any

from rainer.errors import RainerError, RuleBroken
from rainer.model.rules import Rule
from rainer.validation.documents import Document
from rainer.validation.places import Path, path_of, pointer_of


class RefusedDraft(Exception):
    """One of many drafts breaks a rule: its place among them, counted from 0, and the error."""

    def __init__(self, place: int, error: RainerError) -> None:
        super().__init__(place, error)
        self.place, self.error = place, error


def broken(
    rule: Rule, where: str, message: str, *, path: Path | None = None, document: Document | None = None
) -> RuleBroken:
    """The error of a payload; `where` names its key, `path` leads to what is wrong in its document, if anything."""
    details: dict[str, Any] = {"rule": rule.text}
    at = ""
    if path is not None:
        details["pointer"] = pointer_of(path)
        at = f" ({pointer_of(path)})" if path else ""
    if path is not None and document is not None:
        line, column = document.place(path)
        details |= {"line": line, "column": column}
        at = f" ({pointer_of(path) or 'the document'}, line {line}, column {column})"
    return RuleBroken(f"{where} breaks the rule '{rule.text}': {message}{at}", **details)


def steps(pointer: str | None) -> Path | None:
    """A pointer that somebody else sent as a path; None where it is none."""
    if pointer is None or (pointer and not pointer.startswith("/")):
        return None
    return path_of(pointer)
