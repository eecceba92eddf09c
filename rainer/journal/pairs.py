"""Choosing rows by (key, version), many at once, with one statement whose text never changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

PAIRS: Final = 200
"""How many rows one execution chooses. SQLite takes up to 500 parts of a UNION, and a chain of 1,000 ORs."""


def any_pair(key: Any, version: Any) -> sa.ColumnElement[bool]:
    """The condition that a row is one of the pairs of `pair_values`; MySQL makes one range of an index of each."""
    return sa.or_(*(sa.and_(*one) for one in _pairs(key, version)))


def each_pair(query: sa.Select[Any], key: Any, version: Any) -> sa.CompoundSelect[Any]:
    """The query for each of the pairs of `pair_values`, together.

    A lookup for each: a chain of ORs takes half the time on MySQL, yet a planner without statistics, as PostgreSQL's
    is after a quick import, reads the whole table for it.
    """
    return sa.union_all(*(query.where(*one) for one in _pairs(key, version)))


def _pairs(key: Any, version: Any) -> list[tuple[Any, Any]]:
    return [(key == sa.bindparam(f"key_{n}"), version == sa.bindparam(f"version_{n}")) for n in range(PAIRS)]


def pair_values(pairs: Sequence[tuple[Any, int]]) -> Iterator[dict[str, Any]]:
    """The values for one execution of the statement after another; what is left free at the end finds nothing."""
    for start in range(0, len(pairs), PAIRS):
        portion = list(pairs[start : start + PAIRS])
        portion += [(portion[-1][0], -1)] * (PAIRS - len(portion))
        yield {f"key_{n}": key for n, (key, _) in enumerate(portion)} | {
            f"version_{n}": version for n, (_, version) in enumerate(portion)
        }
