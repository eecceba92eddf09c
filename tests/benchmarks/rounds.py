"""Interleaving: A B C, A B C, ... so that whatever the machine does meanwhile, it does to all of them.

Where a few per cent count, also A B C, C B A, ...: what grows while it is measured, or tires, then favours nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def interleave(measures: Mapping[str, Callable[[], T]], rounds: int, *, to_and_fro: bool = False) -> dict[str, list[T]]:
    """Take each measure once a round; name to its results. `to_and_fro`: every other round in the opposite order."""
    found: dict[str, list[T]] = {name: [] for name in measures}
    for number in range(rounds):
        in_turn = list(measures)
        for name in reversed(in_turn) if to_and_fro and number % 2 else in_turn:
            found[name].append(measures[name]())
    return found
