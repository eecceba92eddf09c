"""Rules that change while somebody commits, and servers that hear of them from each other."""

from __future__ import annotations

import asyncio

import pytest

from rainer.client import Client
from rainer.errors import RuleBroken, VersionConflict
from rainer.service import Service
from rainer.service.service import RefusedDraft
from rainer.testing import TestServer
from tests.contracts.live import Gate, run, submission
from tests.integration.validation.conftest import BAD, RULES
from tests.services.waiting import until


def test_a_rule_committed_between_a_commits_check_and_its_write_counts(served: TestServer, system: Client) -> None:
    """Deterministic: the committer is held while the rule goes into the journal, by another process's hand."""
    journal = served.journal

    async def main() -> object:
        service = Service(journal)
        await service.start()
        try:
            gate = Gate(service.live)
            first = asyncio.create_task(service.commit(submission("first")))
            await gate.reached.wait()
            checked = asyncio.create_task(service.commit(submission("later", payload=BAD)))
            await until(lambda: service.live.committer.queued, 10, "the commit in the queue")
            rules = RULES.replace(b"app.*", b"later")
            await service.live.in_thread(
                lambda: journal.append("rules", rules, version=2, author="a", namespace="rainer")
            )
            gate.open()
            await first
            (outcome,) = await asyncio.gather(checked, return_exceptions=True)
            return outcome
        finally:
            await service.close()

    outcome = run(main())
    assert isinstance(outcome, RefusedDraft)
    assert isinstance(outcome.error, RuleBroken)
    assert outcome.error.details["pointer"] == "/port"


def test_no_size_slips_by_behind_a_version_that_is_on_its_way(served: TestServer, client: Client) -> None:
    """Version 3 is checked when version 2 is in the queue: there is nothing yet that it can be compared with."""
    client.commit("sized", b"x" * 1_000, version=1)

    async def main() -> object:
        service = Service(served.journal)
        await service.start()
        try:
            gate = Gate(service.live)
            first = asyncio.create_task(service.commit(submission("first")))
            await gate.reached.wait()
            before = asyncio.create_task(service.commit(submission("sized", 2, payload=b"x" * 1_001)))
            await until(lambda: service.live.committer.queued, 10, "the commit in the queue")
            behind = asyncio.create_task(service.commit(submission("sized", 3, payload=b"x")))
            await until(lambda: behind.done() or service.live.committer.queued > 1, 10, "what becomes of version 3")
            gate.open()
            await asyncio.gather(first, before)
            (outcome,) = await asyncio.gather(behind, return_exceptions=True)
            return outcome
        finally:
            await service.close()

    outcome = run(main())
    assert isinstance(outcome, RefusedDraft)
    assert isinstance(outcome.error, VersionConflict)
    assert (outcome.error.expected, outcome.error.provided) == (2, 3)
    assert client.get("sized").version == 2


def test_another_servers_rules_are_in_force_at_once(system: Client, served: TestServer) -> None:
    """A second server on the same journal, which has its own memory of the rules."""

    async def main() -> None:
        service = Service(served.journal)
        await service.start()
        try:
            await service.commit(submission("later", payload=BAD))
            await asyncio.to_thread(system.commit, "rules", RULES.replace(b"app.*", b"x.*"), version=2)
            with pytest.raises(RefusedDraft):
                await service.commit(submission("x.1", payload=BAD))
            await asyncio.to_thread(system.commit, "rules", b"rules: []", version=3)
            await service.commit(submission("x.1", payload=BAD))
        finally:
            await service.close()

    run(main())
