"""What a page tells of waiting proposals is bounded, whatever somebody proposes."""

from __future__ import annotations

from rainer.api.pages.finding import words_of
from rainer.api.pages.waiting import within_reach
from rainer.model.identity import Identity
from rainer.model.proposal import Place, Proposal


def proposal(name: str, keys: int) -> Proposal:
    places = tuple(Place("diary", f"k{number}", 1, 0) for number in range(keys))
    return Proposal(name, 0, "ada", Identity("ada", "token", frozenset()), "", places, "", 1)


def test_many_keys_are_not_judged_for_every_page_and_small_proposals_come_first() -> None:
    large = [proposal(f"large-{number}", 1_000) for number in range(9)]
    small = [proposal(f"small-{number}", 3) for number in range(9)]
    found = within_reach([*large, *small])
    assert [one.id for one in found] == ["large-0", "large-1", "large-2", *(one.id for one in small)]
    assert within_reach(small) == small


def test_a_word_is_searched_once_however_often_it_is_said() -> None:
    assert words_of("b a b 'b' a " + '"a b" "a b"') == ["b", "a", "'b'", "a b"]
