"""Lists over what a hand at SQLite's own shell has left: shown where it can be, else an error with the next step."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from rainer.api.answers import MetaForm
from rainer.errors import CorruptError
from rainer.journal import Journal
from rainer.journal.listing import HeadRow
from rainer.model.commit import draft


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "journal.db"
    with Journal(f"sqlite:///{file}") as journal:
        journal.append_many([draft(key, key.encode(), version=1, author="me") for key in ("a", "b")])
    return file


def damage(file: Path, statement: str) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()


def test_a_payload_that_became_text_is_listed_as_its_bytes(file: Path) -> None:
    damage(file, "UPDATE commits SET payload = 'tëxt' WHERE key = 'a'")
    with Journal(f"sqlite:///{file}") as journal:
        assert [c.payload for c in journal.heads()] == ["tëxt".encode(), b"b"]
        cells = journal.reads.heads_portion("diary", journal.reads.pin(None), payloads=True).cells
        assert MetaForm(payload_utf8=True).listed(cells, "diary")["a"]["payload_utf8"] == "tëxt"


def test_a_key_that_is_no_text_ends_the_list_with_what_to_do(file: Path) -> None:
    damage(file, "UPDATE commits SET key = x'ff' WHERE key = 'b'")
    with Journal(f"sqlite:///{file}") as journal, pytest.raises(CorruptError, match=r"key .*\\xff") as refused:
        list(journal.heads())
    assert "rainer verify" in refused.value.hint


def test_cells_stand_in_the_order_of_their_names() -> None:
    assert HeadRow._fields[:7] == ("key", "version", "author", "comment", "mtime_ms", "is_empty", "revision")
    assert HeadRow._fields[7:] == ("marks", "payload", "payload_bytes")
