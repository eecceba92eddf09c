"""Committing one key: versions, conflicts, revisions, payloads and texts kept verbatim."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from rainer import limits
from rainer.errors import InvalidError, NamespaceNotFound, NotFoundError, TooLargeError, VersionConflict
from rainer.journal import Journal
from rainer.model import times
from rainer.model.commit import Draft
from tests.contracts.tables import stored


def test_a_commit_comes_back_as_it_was_made(journal: Journal) -> None:
    mtime = datetime(2001, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
    made = journal.append("hey", b"\x00\xff", version=1, author="me", comment="why", mtime=mtime)
    assert (made.key, made.version, made.payload, made.author, made.comment) == ("hey", 1, b"\x00\xff", "me", "why")
    assert (made.mtime, made.is_empty, made.namespace, made.revision) == (mtime, False, "diary", 1)
    assert journal.get("hey") == journal.get("hey", 1) == made


def test_versions_count_from_one_without_gaps(journal: Journal) -> None:
    for version in (1, 2, 3):
        journal.append("k", b"%d" % version, version=version, author="me")
    for offered in (1, 3, 5, limits.VERSION_MAX):
        with pytest.raises(VersionConflict) as caught:
            journal.append("k", b"", version=offered, author="me")
        assert (caught.value.key, caught.value.expected, caught.value.provided) == ("k", 4, offered)
    with pytest.raises(VersionConflict) as caught:
        journal.append("new", b"", version=2, author="me")
    assert caught.value.expected == 1
    assert [c.version for c in journal.log("k")] == [3, 2, 1]
    assert journal.position().revision == 3


@pytest.mark.parametrize("version", [0, -1, 2**31, 10**30, True, 1.0, "1", None])
def test_what_is_no_version_is_refused(journal: Journal, version: object) -> None:
    with pytest.raises(InvalidError):
        journal.append("k", b"", version=version, author="me")  # type: ignore[arg-type]
    assert journal.position().revision == 0


def test_a_refused_commit_leaves_no_trace(journal: Journal) -> None:
    journal.append("a", b"1", version=1, author="me")
    before = journal.position(), stored(journal)
    with pytest.raises(VersionConflict):
        journal.append("a", b"2", version=1, author="me")
    with pytest.raises(NamespaceNotFound):
        journal.append("a", b"2", version=2, author="me", namespace="nowhere")
    with pytest.raises(TooLargeError):
        journal.append("a", bytes(1_000_001), version=2, author="me")
    assert (journal.position(), stored(journal)) == before


def test_revisions_have_no_gaps_over_keys_and_namespaces(journal: Journal) -> None:
    journal.create_namespace("other")
    made = [
        journal.append(f"k{n % 3}", b"", version=n // 6 + 1, author="me", namespace=("diary", "other")[n % 2])
        for n in range(12)
    ]
    assert [c.revision for c in made] == list(range(1, 13))
    assert [row.revision for row in stored(journal)] == list(range(1, 13))


def test_heads_are_the_newest_and_removals_only_on_request(journal: Journal) -> None:
    journal.append("a", b"1", version=1, author="me")
    journal.append("b", b"1", version=1, author="me")
    journal.append("a", b"2", version=2, author="me")
    journal.append("b", None, version=2, author="me", comment="gone")
    assert [(c.key, c.version, c.payload) for c in journal.heads()] == [("a", 2, b"2")]
    assert [(c.key, c.version, c.is_empty) for c in journal.heads(include_empty=True)] == [
        ("a", 2, False),
        ("b", 2, True),
    ]


def test_a_removal_keeps_history_and_the_key_may_return(journal: Journal) -> None:
    journal.append("a", b"1", version=1, author="me")
    removal = journal.append("a", None, version=2, author="me")
    assert (removal.is_empty, removal.payload) == (True, None)
    assert journal.get("a") == removal
    assert journal.get("a", 1).payload == b"1"
    journal.append("a", b"3", version=3, author="me")
    assert [(c.version, c.is_empty) for c in journal.log("a")] == [(3, False), (2, True), (1, False)]


def test_zero_bytes_are_a_payload(journal: Journal) -> None:
    journal.append("a", b"", version=1, author="me")
    found = journal.get("a")
    assert found.payload == b""
    assert not found.is_empty
    assert [c.key for c in journal.heads()] == ["a"]


def test_a_key_that_never_was_is_not_found(journal: Journal) -> None:
    journal.append("a", b"", version=1, author="me")
    for key, version in (("b", None), ("a", 2), ("a", 0), ("a", -1), ("a", 2**31), ("a", 2**80)):
        with pytest.raises(NotFoundError, match="Key not found"):
            journal.get(key, version)
    with pytest.raises(NamespaceNotFound):
        journal.get("a", namespace="nowhere")


WORST_BYTES = {
    "zeros": b"\0",
    "quotes": b"'",
    "backslashes": b"\\",
    "high": b"\xff",
    "all": bytes(range(256)),
    "escapes": b"\\'\"\n\r\0\x1a%s:n$1?",
}


@pytest.mark.parametrize("unit", WORST_BYTES.values(), ids=WORST_BYTES.keys())
def test_eight_mebibytes_of_the_worst_bytes(journal: Journal, unit: bytes) -> None:
    largest = limits.PAYLOAD_BYTES_CEILING
    journal.create_namespace("large", payload_bytes_max=largest)
    # Just below and above the size at which MySQL's statement changes its form, and the largest.
    for version, size in enumerate((largest, largest // 2, largest // 2 + 1), 1):
        payload = (unit * (size // len(unit) + 1))[:size]
        journal.append("k", payload, version=version, author="me", namespace="large")
        assert journal.get("k", namespace="large").payload == payload
    assert journal.verify().ok


def test_a_payload_over_its_namespaces_limit_is_refused_with_the_number(journal: Journal) -> None:
    journal.create_namespace("small", payload_bytes_max=10)
    journal.append("k", bytes(10), version=1, author="me", namespace="small")
    with pytest.raises(TooLargeError, match="11 bytes, over the 10") as caught:
        journal.append("k", bytes(11), version=2, author="me", namespace="small")
    assert caught.value.details["limit"] == 10
    journal.append("k", bytes(limits.PAYLOAD_BYTES_DEFAULT), version=1, author="me")
    with pytest.raises(TooLargeError):
        journal.append("k", bytes(limits.PAYLOAD_BYTES_DEFAULT + 1), version=2, author="me")


TEXTS = {
    "lines": "first\nsecond\r\nthird\n\n",
    "quotes": 'it\'s "quoted" `so` \\ \\\' \\" -- ; /* */',
    "four bytes": "\U0001f600 \U0010ffff \U00020000",
    "combining": "e\u0301 \u00e9 \u200b\u202e\ufeff",
    "controls": "\x01\x02\x7f\x80\t\v\f\x1b[31m",
    "percent": "%s %(x)s :name ? $1 {0} %%",
    "noncharacters": "\ufffe\uffff\U0001ffff",
    "spaces": "  both ends  ",
    "longest": "\u00fc" * (limits.COMMENT_BYTES_MAX // 2),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_comments_are_kept_to_the_byte(journal: Journal, text: str) -> None:
    journal.append("k", b"", version=1, author="me", comment=text)
    assert journal.get("k").comment == text
    assert journal.verify().ok


@pytest.mark.parametrize("author", ["\U0001f600", 'O\'Neil "the" \\ <a@b>', " x ", "\u00fc" * 500, "a\u2028b"])
def test_authors_are_kept_to_the_byte(journal: Journal, author: str) -> None:
    journal.append("k", b"", version=1, author=author)
    assert journal.get("k").author == author


@pytest.mark.parametrize(
    ("author", "comment"),
    [("", ""), ("a\0b", ""), ("\ud800", ""), ("a\nb", ""), ("x" * 1001, ""), ("me", "\0"), ("me", "\udfff"),
     ("me", "x" * 65_537), ("me", "\u00fc" * 32_769)],
)  # fmt: skip
def test_texts_that_some_database_could_not_keep_are_refused_before_the_queue(author: str, comment: str) -> None:
    with pytest.raises(InvalidError):
        Draft("diary", "k", 1, b"", author, comment)


FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "mtime", [FIRST, LAST, datetime(1970, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)]
)
def test_the_authors_time_may_be_any_that_can_be_written(journal: Journal, mtime: datetime) -> None:
    journal.append("k", b"", version=1, author="me", mtime=mtime)
    assert journal.get("k").mtime == mtime
    assert times.from_ms(times.parse_iso(str(journal.get("k").meta()["mtime"]))) == mtime


def test_a_time_that_could_not_be_read_back_is_refused() -> None:
    for ms in (times.to_ms(FIRST) - 1, times.to_ms(LAST) + 1, 2**63, -(2**70), 1.5, True):
        with pytest.raises(InvalidError):
            Draft("diary", "k", 1, b"", "me", "", ms)  # type: ignore[arg-type]
    for text in ("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"):
        with pytest.raises(InvalidError):
            times.parse_iso(text)
    beyond = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    with pytest.raises(InvalidError):
        times.to_ms(beyond)


def test_mtime_is_cut_to_milliseconds_and_defaults_to_now(journal: Journal) -> None:
    precise = datetime(2026, 1, 1, 0, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert journal.append("k", b"", version=1, author="me", mtime=precise).mtime.microsecond == 123_000
    before = times.now_ms()
    made = journal.append("k", b"", version=2, author="me")
    assert before <= times.to_ms(made.mtime) <= times.now_ms()


def test_many_threads_on_few_keys_lose_nothing(journal: Journal) -> None:
    def climb(key: str) -> int:
        accepted = 0
        while accepted < 10:
            head = next((c.version for c in journal.heads() if c.key == key), 0)
            try:
                journal.append(key, b"", version=head + 1, author="me")
                accepted += 1
            except VersionConflict:
                continue
        return accepted

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(climb, ["a", "b", "c", "d"] * 2)) == 80
    assert [row.revision for row in stored(journal)] == list(range(1, 81))
    assert journal.verify().ok
