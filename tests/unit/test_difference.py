"""Differences as data: the hunks turn one text into the other, and the words marked are those that changed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.model.difference import Difference, Span, changed_words, difference
from rainer.model.sequences import changes, matches

LINES = st.lists(st.sampled_from(["a = 1\n", "b = 2\n", "}\n", "\n", "\u00e9\u4e2d\n", "c\r\n"]), max_size=15)
TEXTS = st.tuples(LINES, st.sampled_from(["", "end"])).map(lambda t: "".join(t[0]) + t[1])
WORDS = st.text(alphabet='ab1 _":,{}\t', max_size=40)


def rebuild(found: Difference, old: str, kind: str) -> str:
    """Either text, from the hunks and the unchanged lines of the old text between them."""
    lines = old.split("\n")
    lines = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    out, place = [], 0
    for hunk in found.hunks:
        start = hunk.old_start - bool(hunk.old_count)
        out += lines[place:start]
        out += [line.text + "\n" * line.ends for line in hunk.lines if line.kind in ("same", kind)]
        place = start + hunk.old_count
    return "".join(out + lines[place:])


@given(TEXTS, TEXTS, st.integers(0, 3))
def test_hunks_turn_one_text_into_the_other(old: str, new: str, context: int) -> None:
    found = difference(old.encode(), new.encode(), context=context)
    assert rebuild(found, old, "removed") == old
    assert rebuild(found, old, "added") == new
    assert found.is_same == (old == new)


@given(TEXTS, TEXTS)
def test_counts_and_numbers_of_a_hunk_are_true(old: str, new: str) -> None:
    for hunk in difference(old.encode(), new.encode()).hunks:
        olds = [line.old for line in hunk.lines if line.old is not None]
        news = [line.new for line in hunk.lines if line.new is not None]
        assert olds == list(range(hunk.old_start, hunk.old_start + hunk.old_count))
        assert news == list(range(hunk.new_start, hunk.new_start + hunk.new_count))


@given(WORDS, WORDS)
def test_spans_of_words_put_together_are_the_lines(old: str, new: str) -> None:
    ours, theirs = changed_words(old, new)
    assert "".join(span.text for span in ours) == old
    assert "".join(span.text for span in theirs) == new
    # Blanks between two changed words are marked with them, so both sides agree on what is common but for blanks.
    assert [c for s in ours if not s.changed for c in s.text if not c.isspace()] == [
        c for s in theirs if not s.changed for c in s.text if not c.isspace()
    ]


@given(st.lists(st.integers(0, 5), max_size=40), st.lists(st.integers(0, 5), max_size=40))
def test_matches_are_in_order_and_true(old: list[int], new: list[int]) -> None:
    i = j = 0
    for start, other, size in matches(old, new):
        assert size > 0
        assert start >= i
        assert other >= j
        assert old[start : start + size] == new[other : other + size]
        i, j = start + size, other + size
    rebuilt, place = [], 0
    for change in changes(old, new):
        rebuilt += old[place : change.old_start] + new[change.new_start : change.new_end]
        place = change.old_end
    assert rebuilt + old[place:] == new


def test_changed_words_are_marked_and_whole() -> None:
    ours, theirs = changed_words('  "timeout_ms": 100,', '  "timeout_ms": 1000,')
    assert ours == (Span('  "timeout_ms": '), Span("100", changed=True), Span(","))
    assert theirs == (Span('  "timeout_ms": '), Span("1000", changed=True), Span(","))


def test_a_word_that_grew_is_marked_whole_and_neighbours_together() -> None:
    ours, theirs = changed_words("host = foo bar", "host = foox baz")
    assert ours == (Span("host = "), Span("foo bar", changed=True))
    assert theirs == (Span("host = "), Span("foox baz", changed=True))


def test_lines_are_paired_by_likeness_not_by_place() -> None:
    found = difference(b"alpha = 1\n", b"something quite new\nalpha = 2\n")
    added = [line for line in found.hunks[0].lines if line.kind == "added"]
    assert added[0].spans == (Span("something quite new"),)
    assert added[1].spans == (Span("alpha = "), Span("2", changed=True))


def test_lines_that_have_little_in_common_are_not_marked() -> None:
    found = difference(b"the quick brown fox\n", b"to be or not to be\n")
    assert [span.changed for line in found.hunks[0].lines for span in line.spans] == [False, False]


@pytest.mark.parametrize("payload", [b"\xff\xfe", b"text with \0 inside"])
def test_binary_payloads_have_sizes_and_no_hunks(payload: bytes) -> None:
    found = difference(b"text\n", payload)
    assert found.is_binary
    assert (found.old_bytes, found.new_bytes, found.hunks) == (5, len(payload), ())


def test_an_empty_commit_is_not_zero_bytes() -> None:
    found = difference(None, b"")
    assert not found.is_same
    assert (found.old_bytes, found.new_bytes, found.hunks) == (None, 0, ())


def test_a_minified_line_of_a_megabyte_is_marked_at_the_word() -> None:
    old = "{" + ",".join(f'"key{n}":{n}' for n in range(60_000)) + "}"
    found = difference(old.encode(), old.replace('"key30000":30000', '"key30000":7').encode())
    marked = [[span.text for span in line.spans if span.changed] for line in found.hunks[0].lines]
    assert marked == [["30000"], ["7"]]


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs the program patch")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"", b"a\nb"),
        (b"a\nb", b""),
        (b"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n", b"a\nB\nc\nd\ne\nf\ng\nh\ni\nj\nk\n"),
        (b"a\n" * 30, b"a\n" * 15 + b"x\n" + b"a\n" * 15),
        (b"one", b"one\n"),
    ],
)
def test_patch_reads_the_unified_form(tmp_path: Path, old: bytes, new: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(old)
    text = "".join(line + "\n" for line in difference(old, new).unified("a", "b"))
    done = subprocess.run(["patch", "--posix", str(file)], input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert (file.read_bytes() if file.exists() else b"") == new
