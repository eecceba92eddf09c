"""The three-way merge: what nobody touched twice is merged, what two touched is kept twice, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.model.merge import mark_line, merge

# Few different lines, so that repeats, which are what makes matching hard, are common; and every kind of line end.
LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"}\n", b"\n", b"x\ry\n"]), max_size=12)
TEXTS = st.tuples(LINES, st.sampled_from([b"", b"end", b"}", b"\r"])).map(lambda t: b"".join(t[0]) + t[1])


@given(TEXTS, TEXTS)
def test_a_side_that_changed_nothing_does_not_count(base: bytes, changed: bytes) -> None:
    assert merge(base, changed, base).text == changed
    assert merge(base, base, changed).text == changed


@given(TEXTS, TEXTS)
def test_the_same_change_by_both_is_that_change(base: bytes, changed: bytes) -> None:
    assert merge(base, changed, changed).text == changed


@given(TEXTS, TEXTS, TEXTS)
def test_the_chunks_hold_all_three_texts_whole(base: bytes, yours: bytes, theirs: bytes) -> None:
    chunks = merge(base, yours, theirs).chunks
    assert b"".join(chunk.base for chunk in chunks) == base
    assert b"".join(chunk.yours for chunk in chunks) == yours
    assert b"".join(chunk.theirs for chunk in chunks) == theirs


@given(TEXTS, TEXTS, TEXTS)
def test_each_chunk_is_judged_by_its_own_parts(base: bytes, yours: bytes, theirs: bytes) -> None:
    for chunk in merge(base, yours, theirs).chunks:
        held = {
            "same": chunk.base == chunk.yours == chunk.theirs,
            "yours": chunk.base == chunk.theirs != chunk.yours,
            "theirs": chunk.base == chunk.yours != chunk.theirs,
            "both": chunk.yours == chunk.theirs != chunk.base,
            "conflict": len({chunk.base, chunk.yours, chunk.theirs}) > 1 and chunk.yours != chunk.theirs,
        }
        assert held[chunk.kind], chunk


@given(TEXTS, TEXTS, TEXTS)
def test_sides_are_alike(base: bytes, yours: bytes, theirs: bytes) -> None:
    one, other = merge(base, yours, theirs), merge(base, theirs, yours)
    assert one.conflicts == other.conflicts
    if not one.conflicts:
        assert one.text == other.text


@given(st.data())
def test_edits_with_an_unchanged_line_between_them_merge(data: st.DataObject) -> None:
    size = data.draw(st.integers(3, 20))
    base = [b"line %d\n" % n for n in range(size)]
    places = sorted(data.draw(st.sets(st.integers(0, (size - 1) // 2), min_size=2, max_size=6)))
    yours, theirs, both = list(base), list(base), list(base)
    for turn, place in enumerate(2 * p for p in places):
        text = data.draw(st.sampled_from([b"", b"new\n", b"new\nnewer\n"]))
        side = yours if turn % 2 else theirs
        side[place] = both[place] = text
    merged = merge(b"".join(base), b"".join(yours), b"".join(theirs))
    assert merged.text == b"".join(both)


@given(TEXTS, TEXTS, TEXTS)
def test_a_conflict_keeps_all_the_texts_between_its_marks(base: bytes, yours: bytes, theirs: bytes) -> None:
    merged = merge(base, yours, theirs)
    marked = merged.marked()
    for chunk in merged.chunks:
        if chunk.kind == "conflict":
            assert chunk.base in marked
            assert chunk.yours in marked
            assert chunk.theirs in marked
    if merged.conflicts:
        assert mark_line(marked) is not None
        with pytest.raises(ValueError, match="not resolved"):
            merged.text  # noqa: B018
    else:
        assert marked == merged.text


def test_a_conflict_reads_like_diff3() -> None:
    base = b'{\n  "a": 1,\n  "b": 2\n}\n'
    merged = merge(base, base.replace(b"1", b"10"), base.replace(b"2", b"20"))
    assert merged.conflicts == 1
    assert merged.marked(base="base v4", theirs="theirs v5 by ann") == (
        b'{\n<<<<<<< yours\n  "a": 10,\n  "b": 2\n||||||| base v4\n  "a": 1,\n  "b": 2\n'
        b'=======\n  "a": 1,\n  "b": 20\n>>>>>>> theirs v5 by ann\n}\n'
    )


def test_marks_stand_on_their_own_lines_where_the_last_newline_is_missing() -> None:
    marked = merge(b"a", b"b", b"c").marked()
    assert marked == b"<<<<<<< yours\nb\n||||||| base\na\n=======\nc\n>>>>>>> theirs\n"


def test_marks_end_as_the_lines_around_them_do() -> None:
    marked = merge(b"a\r\n", b"b\r\n", b"c\r\n").marked()
    assert marked.count(b"\r\n") == marked.count(b"\n") == 7


def test_two_new_texts_of_one_key_conflict() -> None:
    assert merge(b"", b"mine\n", b"theirs\n").conflicts == 1


def test_a_last_newline_that_one_side_adds_is_kept() -> None:
    assert merge(b"a\nb\nc", b"A\nb\nc", b"a\nb\nc\n").text == b"A\nb\nc\n"
    assert merge(b"a\nb\nc\n", b"a\nb\nc", b"A\nb\nc\n").text == b"A\nb\nc"


def test_only_our_own_marks_are_found() -> None:
    assert mark_line(b"Title\n=======\ntext\n<<<<<<< HEAD\n") is None
    assert mark_line(b"a\r\n>>>>>>> theirs v2 by ann\r\n", theirs="theirs v2 by ann") == 2


def test_large_texts_of_repeated_lines_merge_without_delay() -> None:
    # difflib alone needs minutes for this: each closing brace matches each other one.
    block = b'  {\n    "weight": 1\n  },\n'
    base = block * 20_000
    yours = base.replace(block, block.replace(b"1", b"2"), 1)
    theirs = base[: -len(block)] + block.replace(b"1", b"3")
    assert merge(base, yours, theirs).text == yours[: -len(block)] + theirs[-len(block) :]
