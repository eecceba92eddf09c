"""Random histories under readers of remembered lists, each at its own pace, in a memory that is too small for all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from rainer.api.answers import MetaForm
from rainer.api.list_memory import ListMemory, RememberedList
from rainer.api.listing import Listing, ListReader
from rainer.errors import PositionGone
from rainer.journal import Journal
from rainer.journal.administration import adopt_engine
from rainer.journal.row import State
from rainer.model.commit import draft
from rainer.service import Service, ServiceOptions
from tests.contracts.lister import meta_of
from tests.contracts.tables import copy_of, restore

PORTION = 3
MEMORY_BYTES = 40_000
EVERYTHING = 1_000
KEYS = st.integers(0, 99).map(lambda n: f"k{n:02}")
FORMS = st.sampled_from([MetaForm(revisions=True), MetaForm(payload_utf8=True, payload_base64=True, revisions=True)])


@dataclass
class Reading:
    """A list that somebody is in the middle of: what it should become, and what there is of it."""

    reader: ListReader
    found: RememberedList
    pinned: State
    expected: dict[str, Any]
    after: str | None = None
    parts: list[bytes] = field(default_factory=list)
    is_gone: bool = False


@dataclass
class Stage:
    """A service on a loop of the test's own."""

    journal: Journal
    service: Service
    runner: asyncio.Runner
    second: Journal
    empty: Any


@contextmanager
def staged(journal: Journal, second: Journal) -> Iterator[Stage]:
    service = Service(journal, ServiceOptions())
    with asyncio.Runner() as runner:
        runner.run(service.start())
        try:
            yield Stage(journal, service, runner, second, copy_of(journal))
        finally:
            runner.run(service.close())


class Readers(RuleBasedStateMachine):
    """`stage` is of the class made for a test."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.journal = self.stage.journal
        restore(self.journal, self.stage.empty)  # a history that is found wrong can be repeated
        self.lists = ListMemory(MEMORY_BYTES, PORTION)
        self.readings: list[Reading] = []
        self.backup: Any = None

    @rule(keys=st.sets(KEYS, min_size=1, max_size=20), removed=st.booleans(), by_other=st.booleans())
    def commit(self, keys: set[str], removed: bool, by_other: bool) -> None:
        heads = {c.key: c.version for c in self.journal.heads(include_empty=True, payloads=False)}
        drafts = [
            draft(key, None if removed else key.encode() * 3, version=heads.get(key, 0) + 1, author="me")
            for key in sorted(keys)
        ]
        (self.stage.second if by_other else self.journal).append_many(drafts)

    @rule(include_empty=st.booleans(), form=FORMS)
    def begin(self, include_empty: bool, form: MetaForm) -> None:
        listing = Listing("diary", "", None, include_empty, None, form)
        assert listing.key is not None
        reader = ListReader(self.stage.service, listing, self.lists)
        pinned = self.journal.reads.pin(None)
        found = self.stage.runner.run(reader.at(listing.key, pinned))
        assert found.state.position == pinned.position
        heads = {c.key: meta_of(c) for c in self.journal.heads(include_empty=include_empty, payloads=form.payloads)}
        self.readings.append(Reading(reader, found, found.state, heads))

    @precondition(lambda self: self.readings)
    @rule(place=st.integers(0, 20), parts=st.integers(1, 8))
    def read(self, place: int, parts: int) -> None:
        reading = self.readings[place % len(self.readings)]
        for _ in range(parts):
            try:
                raw, after = self.stage.runner.run(reading.reader.read(reading.found, reading.pinned, reading.after))
            except PositionGone:
                assert reading.is_gone
                self.readings.remove(reading)
                return
            reading.after = after
            reading.parts += [raw] if raw else []
            if after is None:
                self.finish(reading)
                return

    def finish(self, reading: Reading) -> None:
        self.readings.remove(reading)
        whole = orjson.loads(b"{" + b",".join(reading.parts) + b"}")
        assert list(whole.items()) == list(reading.expected.items())

    @rule(include_empty=st.booleans(), form=FORMS)
    def list_whole(self, include_empty: bool, form: MetaForm) -> None:
        self.begin(include_empty, form)
        self.read(len(self.readings) - 1, EVERYTHING)

    @rule(what=st.sampled_from(["nothing", "back up", "restore", "adopt"]))
    def operate(self, what: str) -> None:
        if what == "back up":
            self.backup = copy_of(self.journal)
        elif what == "adopt":
            adopt_engine(self.journal.engine)
            self.lose_all()
        elif what == "restore" and self.backup:
            restore(self.journal, self.backup)
            self.lose_all()

    def lose_all(self) -> None:
        for reading in self.readings:
            reading.is_gone = True

    @invariant()
    def the_memory_is_bounded(self) -> None:
        assert self.lists.size == sum(found.size for found in self.lists._lists.values()) <= MEMORY_BYTES

    @invariant()
    def ranges_divide_all_keys(self) -> None:
        for found in self.lists._lists.values():
            assert found._starts[0] == ""
            assert sorted(set(found._starts)) == found._starts
            assert len(found._starts) == len(found._pieces)
            assert not found.flights

    def teardown(self) -> None:
        while self.readings:
            self.read(0, EVERYTHING)


def test_a_list_is_the_heads_of_its_moment(journal: Journal, second: Journal) -> None:
    with staged(journal, second) as stage:
        machine = type("StagedReaders", (Readers,), {"stage": stage})
        checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
        run_state_machine_as_test(
            machine,
            settings=settings(max_examples=30, stateful_step_count=50, deadline=None, suppress_health_check=checks),
        )
