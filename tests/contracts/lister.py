"""Lists over HTTP beside the heads they should show, and how much of the database they were read from."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rainer.api import create_app
from rainer.api.app import RainerApp
from rainer.journal import Journal
from rainer.model import times
from rainer.model.commit import Commit
from tests.integration.hosted import hosted
from tests.integration.wire import Answer, ask

PORTION = 4
FORMS = ("", "?all=yes&payload_utf8=yes&payload_base64=yes&revisions=yes")


def meta_of(commit: Commit) -> dict[str, Any]:
    """What a list with everything in it says of a head."""
    found: dict[str, Any] = {
        "key": commit.key, "version": commit.version, "author": commit.author, "comment": commit.comment,
        "mtime": times.format_iso(times.to_ms(commit.mtime)), "empty": commit.is_empty,
        "namespace": commit.namespace, "revision": commit.revision,
    }  # fmt: skip
    if commit.payload is not None:
        found["payload_utf8"] = commit.payload.decode()
        found["payload_base64"] = base64.b64encode(commit.payload).decode()
    return found


def expected(journal: Journal, namespace: str = "diary", at: int | None = None) -> list[dict[str, dict[str, Any]]]:
    """What the lists of FORMS should be, now or as of a revision."""
    full = {c.key: meta_of(c) for c in journal.heads(namespace=namespace, include_empty=True, at=at)}
    shown = ("key", "version", "author", "comment", "mtime", "empty")
    short = {key: {name: meta[name] for name in shown} for key, meta in full.items() if not meta["empty"]}
    return [short, full]


@dataclass(slots=True)
class Lister:
    """A server of a journal in this process; its lists come in portions of PORTION heads."""

    journal: Journal
    app: RainerApp
    url: str

    def ask(self, path: str = "/diary") -> Answer:
        return ask(self.url, "GET", path)

    def check(self, namespace: str = "diary") -> None:
        """Each list is the heads, in the order of their keys, at the position that it names; twice over."""
        wanted, position = expected(self.journal, namespace), self.journal.position()
        for _ in range(2):
            for form, heads in zip(FORMS, wanted, strict=True):
                answer = self.ask(f"/{namespace}{form}")
                assert answer.status == 200, answer
                assert answer.json() == heads, form
                assert list(json.loads(answer.body)) == list(heads)
                assert answer.header("X-Rainer-Revision") == str(position.revision)
                assert answer.header("X-Rainer-Lineage") == position.lineage
                assert answer.header("ETag") == f'"{position.chain[:16].hex()}"'

    def portions_read(self) -> int:
        """How many times a list in its short form reads heads from the database."""
        with statements(self.journal) as seen:
            assert self.ask().status == 200
        return sum("heads" in statement for statement in seen)


@contextmanager
def listing(journal: Journal) -> Iterator[Lister]:
    """Serve a journal."""
    app = create_app(journal)
    app.lists.portion = PORTION
    with hosted(app) as url:
        yield Lister(journal, app, url)


@contextmanager
def statements(journal: Journal) -> Iterator[list[str]]:
    """The statements that the journal's engine runs meanwhile."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    sa.event.listen(journal.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(journal.engine, "before_cursor_execute", note)
