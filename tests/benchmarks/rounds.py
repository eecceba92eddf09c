"""Interleaving: A B C, A B C, ... so that whatever the machine does meanwhile, it does to all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def interleave(measures: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Take each measure once a round; name to its results."""
    found: dict[str, list[T]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return found
