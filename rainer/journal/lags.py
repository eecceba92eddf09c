"""How far copies of namespaces are behind the journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from rainer.database.failures import translated
from rainer.database.schema import commits
from rainer.journal.dialects.core import SELECT_NAMESPACES, namespaces_of
from rainer.journal.places import read_state

_LOOKED_UP_MAX: Final = 100


class Standing(NamedTuple):
    """Where a namespace stands: its newest commit's revision, and for some revisions when the next was recorded.

    `next_ms` has, of each revision before the newest that was asked about, when the first commit after it was recorded.
    """

    newest: int
    next_ms: dict[int, int]


class Standings(NamedTuple):
    """Of one moment: the journal's lineage and revision, and where its namespaces stand, by name."""

    lineage: str
    revision: int
    namespaces: dict[str, Standing]


def standings(engine: Engine, copies: Iterable[tuple[str, int]]) -> Standings:
    """Where every namespace stands, seen from copies that hold it up to a revision: (namespace, revision) of each.

    Beyond a hundred different revisions of a namespace the rest take the time of the one before: they are said to be
    further behind than they are, never less far.
    """
    held: dict[str, set[int]] = {}
    for name, revision in copies:
        held.setdefault(name, set()).add(revision)
    with translated(), engine.connect() as connection:
        state = read_state(connection)
        found: dict[str, Standing] = {}
        for name, space in namespaces_of(connection.execute(SELECT_NAMESPACES)).items():
            of_space = commits.c.namespace_id == space.id
            newest = connection.execute(sa.select(sa.func.max(commits.c.revision)).where(of_space)).scalar() or 0
            behind = sorted(revision for revision in held.get(name, ()) if revision < newest)
            found[name] = Standing(newest, _next_ms(connection, of_space, behind))
    return Standings(state.lineage, state.revision, found)


def _next_ms(connection: Connection, of_space: sa.ColumnElement[bool], behind: list[int]) -> dict[int, int]:
    query = sa.select(commits.c.recorded_ms).where(of_space).order_by(commits.c.revision).limit(1)
    found: dict[int, int] = {}
    last = 0
    for place, revision in enumerate(behind):
        if place < _LOOKED_UP_MAX:
            last = connection.execute(query.where(commits.c.revision > revision)).scalar() or last
        found[revision] = last
    return found
