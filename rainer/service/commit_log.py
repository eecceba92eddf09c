"""One line a commit, text or JSON, for those who read logs; written once a group so that a busy server does not pay."""

from __future__ import annotations

import json
import logging
from typing import Final

from rainer.journal.group import Plan
from rainer.journal.row import Row
from rainer.model import times
from rainer.model.marks import members_of

log: Final = logging.getLogger("rainer.commits")
_COMMENT_CHARS_MAX: Final = 200


class CommitLog:
    """Turns groups into lines on the logger `rainer.commits`; `form` is text or json."""

    def __init__(self, form: str, namespace_names: dict[int, str]) -> None:
        self._line = json_line if form == "json" else text_line
        self.namespace_names = namespace_names

    def write(self, plan: Plan) -> None:
        """Log the commits of a group as one record of several lines."""
        if log.isEnabledFor(logging.INFO):
            names = self.namespace_names
            log.info("\n".join([self._line(row, names.get(row.namespace_id, "?")) for row in plan.rows]))


def text_line(row: Row, namespace: str) -> str:
    """`2026-01-31T12:34:56.789Z commit diary/key 3 by me r17 12B "why"`; whatever could fool a terminal is escaped."""
    size = "empty" if row.payload is None else f"{len(row.payload)}B"
    comment = f' "{_one_line(row.comment)}"' if row.comment else ""
    return (
        f"{times.format_iso(row.recorded_ms)} commit {namespace}/{_one_line(row.key)} {row.version}"
        f" by {_one_line(row.author)} r{row.revision} {size}{f' {row.marks}' if row.marks else ''}{comment}"
    )


def json_line(row: Row, namespace: str) -> str:
    """The same as one JSON object."""
    return json.dumps(
        {
            "time": times.format_iso(row.recorded_ms),
            "event": "commit",
            "namespace": namespace,
            "key": row.key,
            "version": row.version,
            "author": row.author,
            "revision": row.revision,
            "changeset": row.changeset,
            "empty": row.payload is None,
            "payload_bytes": len(row.payload or b""),
            "comment": row.comment[:_COMMENT_CHARS_MAX],
        }
        | (members_of(row.marks) if row.marks else {})
    )


def _one_line(text: str) -> str:
    if text.isprintable() and len(text) <= _COMMENT_CHARS_MAX:
        return text
    cut = text[:_COMMENT_CHARS_MAX]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return shown + ("…" if len(text) > len(cut) else "")
