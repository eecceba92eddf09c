"""Texts of strangers on a page: nothing hides, nothing gets out of its element, nothing is endless."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rainer.api.pages.blaming import Blame, blame
from rainer.api.pages.colouring import Piece, language_of, line_markup, lines_of, split_lines
from rainer.api.pages.diffing import draw
from rainer.api.pages.history import coloured
from rainer.api.pages.proposal_view import room_of
from rainer.api.pages.read import VIEW_CHARS, piece_starts
from rainer.api.pages.showing import HIDDEN, ago, first_line, marked, plain, shell_word, size, visible
from rainer.journal import Journal

_TAG = re.compile(r"</?(?:span|mark|ins|del|details|summary|em)(?: [a-z]+=\"[^\"<>]*\")*>")


def harmless(markup: str) -> bool:
    """Whether nothing but our own elements is in it."""
    return "<" not in _TAG.sub("", markup)


@given(st.text(max_size=60), st.text(min_size=1, max_size=3))
@settings(max_examples=150)
def test_no_text_becomes_markup_or_hides(text: str, word: str) -> None:
    for made in (visible(text), marked(text, [word]), line_markup([Piece("", text)], [(0, 1)], "ins")):
        assert harmless(made)
        assert not HIDDEN.search(made)
    assert not HIDDEN.search(plain(text))


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u202e", "RLO"),
        ("\x1b", "ESC"),
        ("\u200b", "ZWSP"),
        ("\u2066", "LRI"),
        ("\ufeff", "BOM"),
        ("\xad", "SHY"),
        ("\U000e0041", "U+E0041"),
    ],
)
def test_what_cannot_be_seen_is_named(character: str, name: str) -> None:
    assert f">{name}</span>" in visible(f"a{character}b")
    assert plain(character) == f"⟨{name}⟩"


def test_letters_of_any_language_stay_as_they_are() -> None:
    for text in ("Grüße", "価格", "שלום", "цена\tdva", "e\u0301"):
        assert visible(text) == text


@given(
    st.text(alphabet=st.sampled_from("{}[]\",:#=\n -ab01.\t'\\&*|>é"), max_size=80),
    st.sampled_from(["json", "yaml", "toml"]),
)
@settings(max_examples=150)
def test_colours_change_no_character(text: str, language: str) -> None:
    lines = lines_of(text, language)
    assert ["".join(piece.text for piece in line) for line in lines] == split_lines(text)


def test_a_language_is_told_by_format_key_or_beginning() -> None:
    assert language_of("x", "yaml", "") == "yaml"
    assert language_of("x.toml", "any", "") == "toml"
    assert language_of("x", "any", ' {"a": 1}\n') == "json"
    assert language_of("x", "any", "hello") == ""


def test_a_long_line_is_folded_and_a_longer_one_is_cut() -> None:
    markup = line_markup(lines_of("x" * 900_000, "json")[0])
    assert "<details" in markup
    assert len(markup) < 80_000
    assert "download has" in markup
    assert max(map(len, re.findall(r"x+", markup))) <= 4_000


def test_a_text_is_cut_into_pieces_after_lines_where_there_are_any() -> None:
    for text in ("", "a\n" * 100, "x" * 200_000, "\n" * 5_000, "head\n" + "y" * 70_000 + "\nend", "ab\n" * 30_000):
        starts = [*piece_starts(text), len(text)]
        pieces = [text[low:high] for low, high in pairwise(starts)]
        assert all(len(piece) <= VIEW_CHARS and piece.count("\n") <= 2_000 for piece in pieces)
        assert all(pieces) or not text
    assert len(piece_starts("a\n" * 1_999 + "z")) == 1


def test_of_what_is_very_long_a_difference_shows_the_beginning() -> None:
    drawn = draw(b"a\n" * 50_000, b"b\n" * 50_000, "k", "any", split=True, context=3)
    assert drawn.is_cut
    assert sum(len(block.rows) for block in drawn.blocks) == 4_000


def test_a_difference_marks_words_over_colours() -> None:
    old, new = (
        json.dumps({"a": 1, "b": "two words"}, indent=1).encode(),
        json.dumps({"a": 1, "b": "two birds"}, indent=1).encode(),
    )
    drawn = draw(old, new, "k.json", "any", split=False, context=3)
    rows = [side.markup for block in drawn.blocks for (side, _) in block.rows]
    assert sum('<ins><span class="t-s">birds</span></ins>' in row for row in rows) == 1
    split = draw(old, new, "k.json", "any", split=True, context=3)
    assert [tuple(side.kind for side in row) for row in split.blocks[0].rows].count(("removed", "added")) == 1


def test_of_endless_lines_what_differs_is_shown() -> None:
    drawn = draw(b"y" * 300_000, b"y" * 150_000 + b" new " + b"y" * 150_000, "k", "any", split=False, context=3)
    assert any("<ins> new </ins>" in row[0].markup for row in drawn.blocks[0].rows)


def test_blame_follows_lines_through_moves_and_removals() -> None:
    with Journal("memory:") as journal:
        texts: tuple[bytes | None, ...] = (b"a\nb\n", b"a\nb\nc\n", None, b"a\nc\n", b"new\na\nc2\n")
        for version, payload in enumerate(texts, 1):
            journal.append("k", payload, version=version, author="ada")
        found = blame(journal.reads, "diary", "k", 5)
        assert found is not None
        assert list(zip(found.lines, found.versions, strict=True)) == [("new", 5), ("a", 4), ("c2", 5)]
        before = blame(journal.reads, "diary", "k", 2)
        assert before is not None
        assert before.versions == [1, 1, 2]


def test_small_words() -> None:
    assert [size(n) for n in (0, 999, 1_000, 12_345, 999_600, 5_000_000)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "12.3 kB",
        "1.0 MB",
        "5.0 MB",
    ]
    now = 1_790_000_000_000
    assert [ago(now - s * 1000, now) for s in (5, 90, 7_200, 200_000)] == [
        "just now",
        "1 min ago",
        "2 h ago",
        "2 d ago",
    ]
    assert ago(now + 7_200_000, now) == ago(now + 7_200_000, now).strip()
    assert first_line("\none\ntwo") == "one"
    assert [shell_word(t) for t in ("a.json", "a b", "it's", "a\u202eb")] == [
        "a.json",
        "'a b'",
        "'it'\\''s'",
        "$'a\\u202eb'",
    ]


def test_what_takes_marks_to_show_fills_no_page() -> None:
    lines = ["\x01" * 500] * 2_000
    shown = coloured(Blame(lines, [1] * len(lines), {}, 1), "k", "any")
    assert 900_000 < sum(map(len, shown)) < 1_100_000


def test_many_short_lines_take_room_on_a_page_too() -> None:
    drawn = draw(None, b"1\n" * 3_000, "k", "any", split=False, context=3)
    assert room_of(drawn) > 300_000
