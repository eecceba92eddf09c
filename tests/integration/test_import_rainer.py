"""Importing an original Rainer's table: what comes over, in which order, and what is refused in which words."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from rainer.errors import InvalidError, NamespaceClosed, NamespaceNotFound, NotFoundError, RainerError, UnavailableError
from rainer.journal import Journal
from rainer.journal.administration import set_namespace_closed
from rainer.journal.import_rainer import import_table
from rainer.model.times import from_ms
from tests.integration.ancestor_rows import TABLE, Row, Seen, connected, contents, in_order, make_table, row
from tests.services.database_service import DatabaseService


@pytest.fixture
def original_mariadb_url(mariadb: DatabaseService) -> Iterator[str]:
    """A database beside the journal's, which may be on MariaDB as well."""
    url = mariadb.create_database()
    yield url
    mariadb.drop_database(url)


@pytest.fixture(params=["sqlite", "mariadb"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database for the original's table, not the journal's."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'original.db'}"
    url: str = request.getfixturevalue("original_mariadb_url")
    return url


@pytest.fixture
def original(tmp_path: Path) -> str:
    """The same on SQLite alone, for what does not depend on the original's database."""
    return f"sqlite:///{tmp_path / 'original.db'}"


HISTORY = [
    row("süd.json", 1, b'{"a": 1}', mtime_ms=1_700_000_000_123, author="Jörg", comment="first\nof two lines"),
    row("süd.json", 2, bytes(range(256)) + b"\n\n", mtime_ms=1_700_000_000_124, comment=""),
    row("süd.json", 3, None, mtime_ms=1_700_000_000_125, comment="☃ 𝄞"),
    row("zero", 1, b"", mtime_ms=2),
    row("before 1970", 1, b"old", mtime_ms=-1),
]


def test_brings_every_commit_over_exactly(source: str, database_url: str) -> None:
    make_table(source, HISTORY)
    report = import_table(source, TABLE, database_url)
    assert (report.imported, report.skipped, report.refused, report.refused_commits) == (5, 0, [], 0)
    assert contents(database_url) == [
        Seen("before 1970", 1, b"old", "ann@example.com", "why", -1),
        Seen("zero", 1, b"", "ann@example.com", "why", 2),
        Seen("süd.json", 1, b'{"a": 1}', "Jörg", "first\nof two lines", 1_700_000_000_123),
        Seen("süd.json", 2, bytes(range(256)) + b"\n\n", "ann@example.com", "", 1_700_000_000_124),
        Seen("süd.json", 3, None, "ann@example.com", "☃ 𝄞", 1_700_000_000_125),
    ]
    with Journal(database_url) as journal:
        assert [c.version for c in journal.log("süd.json")] == [3, 2, 1]
        assert journal.get("süd.json", 1).mtime == from_ms(1_700_000_000_123)
        assert journal.get("süd.json").is_empty
        assert [c.key for c in journal.heads()] == ["before 1970", "zero"]
        assert journal.append("süd.json", b"4", version=4, author="ann").version == 4


def test_reads_a_table_of_the_journals_own_database(database_url: str) -> None:
    if database_url.startswith("postgresql"):
        with connected(database_url) as connection:
            connection.exec_driver_sql(f'create table "{TABLE}" (name bytea, version int, payload bytea)')
            insert = f'insert into "{TABLE}" values (%s, %s, %s)'
            connection.exec_driver_sql(insert, [one[:3] for one in HISTORY])
    else:
        make_table(database_url, HISTORY, is_empty=False)
    assert import_table(database_url, TABLE, database_url).imported == 5
    assert import_table(database_url, TABLE, database_url).skipped == 5


def test_is_empty_may_be_missing_or_say_nothing(source: str, database_url: str) -> None:
    make_table(source, HISTORY[:2], is_empty=False, table="without")
    make_table(source, [one._replace(is_empty=None) for one in HISTORY], table="unsaid")
    assert import_table(source, "without", database_url).imported == 2
    report = import_table(source, "unsaid", database_url)
    assert (report.imported, report.skipped, report.refused) == (3, 2, [])


def test_the_order_is_effective_time_then_name_bytes_then_version(source: str, database_url: str) -> None:
    make_table(
        source,
        [
            row("a", 1, mtime_ms=30), row("a", 2, mtime_ms=10), row("a", 3, mtime_ms=31),
            row("b", 1, mtime_ms=5), row("b", 2, mtime_ms=30), row("b", 3, mtime_ms=29),
            row("B", 1, mtime_ms=30), row("é", 1, mtime_ms=30), row("z", 1, mtime_ms=30), row("c", 1, mtime_ms=32),
        ],
    )  # fmt: skip
    assert import_table(source, TABLE, database_url).imported == 10
    wanted = [("b", 1), ("B", 1), ("a", 1), ("a", 2), ("b", 2), ("b", 3), ("z", 1), ("é", 1), ("a", 3), ("c", 1)]
    assert in_order(database_url) == wanted
    with Journal(database_url) as journal:
        assert journal.get("a", 2).mtime == from_ms(10)


def test_limits_do_not_hold_for_history(source: str, database_url: str) -> None:
    rows = [
        row("large", 1, b"p" * 2_000_000),
        row("larger", 1, b"\x01b" * (5 * 1024 * 1024)),
        row("not.json", 1, b"{"),
        row("author", 1, author=""),
        row("author", 2, author="o\tne\n" * 1_000),
        row("comment", 1, comment="long ☃ " * 20_000),
    ]
    make_table(source, rows)
    with Journal(database_url) as journal:
        journal.create_namespace("strict", format="json", payload_bytes_max=10)
    report = import_table(source, TABLE, database_url, namespace="strict")
    assert (report.imported, report.refused) == (6, [])
    seen = {(one.key, one.version): one for one in contents(database_url, "strict")}
    assert seen["larger", 1].payload == b"\x01b" * (5 * 1024 * 1024)
    assert seen["author", 1].author == ""
    assert seen["author", 2].author == "o\tne\n" * 1_000
    assert seen["comment", 1].comment == "long ☃ " * 20_000


GOOD = row("bad", 1).payload or b""
REFUSALS = {
    "a gap": (row("bad", 3), "version 2 is missing before it"),
    "bytes of nothing": (Row(b"bad", 2, b""), "no header length at the start"),
    "no bytes": (Row(b"bad", 2, None), "no header length at the start"),
    "a header cut short": (Row(b"bad", 2, GOOD[:40]), "end before their header"),
    "no newline at the end": (Row(b"bad", 2, (row("bad", 2).payload or b"")[:-1]), "end before their header"),
    "a header of another kind": (Row(b"bad", 2, b"2\n[]\n\n"), "not the JSON of a commit"),
    "another key": (row("good", 2)._replace(name=b"bad"), "its header names another key, 'good'"),
    "another version": (row("bad", 7)._replace(version=2), "its header names another version, 7"),
    "empty, it says": (row("bad", 2)._replace(is_empty=1), "its is_empty says empty, its header says not"),
    "not empty, it says": (row("bad", 2, None)._replace(is_empty=0), "its is_empty says not empty"),
    "NUL in the comment": (row("bad", 2, comment="a\0b"), "the comment holds U+0000"),
    "NUL in the author": (row("bad", 2, author="\0"), "the author holds U+0000"),
    "half a character": (
        Row(b"bad", 2, (row("bad", 2, comment="half__").payload or b"").replace(b"half__", b"\\ud800")),
        "the commit's header holds a lone surrogate",
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_refuses_what_cannot_stand_and_the_rest_of_its_key(what: str, original: str, sqlite_url: str) -> None:
    bad, why = REFUSALS[what]
    later = [row("bad", bad.version + 1), row("bad", bad.version + 2)]
    make_table(original, [row("bad", 1), bad, *later, row("good", 1), row("good", 2)])
    report = import_table(original, TABLE, sqlite_url)
    assert in_order(sqlite_url) == [("bad", 1), ("good", 1), ("good", 2)]
    assert (report.imported, report.skipped, report.refused_commits) == (3, 0, 3)
    first, rest = report.refused
    assert first.startswith(f"key 'bad', version {bad.version}: ")
    assert why in first
    assert rest == f"key 'bad': 2 later versions are left out with version {bad.version}"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (row("a/b", 1), "key 'a/b', version 1: key 'a/b' is not allowed: it holds a '/'"),
        (row("..", 1), "key '..', version 1: key '..' is not allowed: '.' and '..' are not names"),
        (row("\x01", 1), "key '\\x01', version 1: key '\\x01' is not allowed: it holds U+0001"),
        (Row(b"", 1, GOOD), "key '', version 1: its header names another key, 'bad'"),
        (row("bad", 1)._replace(name=b"\xff"), "key b'\\xff', version 1: its name is not UTF-8"),
        (row("bad", 2), "key 'bad', version 2: version 1 is missing before it"),
        (row("bad", 0), "key 'bad', version 0: version 0 is not a whole number from 1 to 2147483647"),
        (row("bad", -1), "key 'bad', version -1: version -1 is not a whole number from 1 to 2147483647"),
    ],
)
def test_refuses_keys_that_are_none(bad: Row, said: str, source: str, sqlite_url: str) -> None:
    make_table(source, [bad, row("good", 1)])
    report = import_table(source, TABLE, sqlite_url)
    assert (report.imported, report.refused_commits, report.refused) == (1, 1, [said])


def test_a_refusal_late_in_a_key_spares_what_comes_before_it(original: str, sqlite_url: str) -> None:
    """A gap is found while listing, broken bytes only while reading: the earlier of both counts."""
    rows = [row("k", 1), row("k", 2), row("k", 3)._replace(is_empty=1), row("k", 4), row("k", 6), row("k", 7)]
    make_table(original, rows)
    report = import_table(original, TABLE, sqlite_url)
    assert in_order(sqlite_url) == [("k", 1), ("k", 2)]
    assert report.refused == [
        "key 'k', version 3: its is_empty says empty, its header says not",
        "key 'k': 3 later versions are left out with version 3",
    ]
    assert (report.imported, report.refused_commits) == (2, 4)


def test_a_payload_that_the_journals_database_does_not_take_is_refused_alone(original: str, mariadb_url: str) -> None:
    """15 MiB do not fit the packet of 16 MiB that MariaDB takes, once they are encoded."""
    make_table(original, [row("a", 1), row("big", 1, b"b" * (15 * 1024 * 1024)), row("big", 2), row("c", 1)])
    report = import_table(original, TABLE, mariadb_url)
    assert in_order(mariadb_url) == [("a", 1), ("c", 1)]
    assert report.refused_commits == 2
    assert report.refused[0].startswith("key 'big', version 1: ")
    assert report.refused[1] == "key 'big': 1 later version is left out with version 1"


@pytest.mark.parametrize("table", ["weird`\"'; drop table x; -- %s :a", "Commits of 2009", "select"])
def test_a_table_is_a_name_whatever_it_looks_like(table: str, source: str, sqlite_url: str) -> None:
    make_table(source, HISTORY, table=table)
    assert import_table(source, table, sqlite_url).imported == 5


class TestErrors:
    def test_no_such_table(self, source: str, sqlite_url: str) -> None:
        make_table(source)
        with pytest.raises(NotFoundError, match="there is no table 'commits; --' in") as raised:
            import_table(source, "commits; --", sqlite_url)
        assert raised.value.hint == f"its tables: {TABLE}"

    def test_missing_columns(self, source: str, sqlite_url: str) -> None:
        with connected(source) as connection:
            connection.execute(sa.text("create table half (name varchar(10), is_empty int)"))
        with pytest.raises(InvalidError, match="table 'half' has no column version and no payload"):
            import_table(source, "half", sqlite_url)

    def test_rows_that_name_and_version_do_not_tell_apart(self, source: str, sqlite_url: str) -> None:
        # One twin on the first page of the listing, the others beyond its end.
        make_table(source, [row(f"k{n:03}", 1) for n in range(499)] + [row("twin", 1)] * 3, key=False)
        with pytest.raises(InvalidError, match=f"2 rows of '{TABLE}' have no name or no version, or share both"):
            import_table(source, TABLE, sqlite_url)
        make_table(source, [row("a", 1), row("twin", 1), row("twin", 1)], key=False, table="twins")
        with connected(source) as connection:
            connection.execute(sa.text("insert into twins values (null, 1, '', 0)"))
        with pytest.raises(InvalidError, match="2 rows of 'twins' have no name"):
            import_table(source, "twins", sqlite_url)
        assert contents(sqlite_url) == []

    def test_a_server_that_does_not_answer(self, sqlite_url: str) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"mysql://ann:secret@127.0.0.1:{unused.getsockname()[1]}/original"
            with pytest.raises(UnavailableError, match="the table cannot be read from mysql://ann:") as raised:
                import_table(url, TABLE, sqlite_url)
        assert "secret" not in str(raised.value)

    def test_a_file_that_is_not_there_stays_so(self, original: str, sqlite_url: str, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match=r"there is no database file .*original\.db"):
            import_table(original, TABLE, sqlite_url)
        assert list(tmp_path.iterdir()) == []  # nor was a journal made for nothing

    @pytest.mark.parametrize("url", ["", "original", "oracle://host/name", "mysql://host"])
    def test_what_is_no_database(self, url: str, sqlite_url: str) -> None:
        with pytest.raises(InvalidError):
            import_table(url, TABLE, sqlite_url)

    def test_a_namespace_that_is_missing_or_closed(self, original: str, sqlite_url: str) -> None:
        make_table(original, HISTORY)
        with pytest.raises(NamespaceNotFound):
            import_table(original, TABLE, sqlite_url, namespace="elsewhere")
        with Journal(sqlite_url) as journal:
            set_namespace_closed(journal.engine, "diary", True)
        with pytest.raises(NamespaceClosed):
            import_table(original, TABLE, sqlite_url)

    def test_a_journal_that_cannot_be_reached(self, original: str, tmp_path: Path) -> None:
        make_table(original, HISTORY)
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(RainerError):
            import_table(original, TABLE, f"sqlite:///{tmp_path / 'file' / 'journal.db'}")
