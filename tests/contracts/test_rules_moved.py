"""Rules of a namespace that change between the check of a commit and its transaction, as a restored database's do."""

from __future__ import annotations

import asyncio

import pytest

from rainer.errors import MalformedPayload, NamespaceClosed, NamespaceNotFound, RainerError, TooLargeError
from rainer.journal import Journal
from rainer.journal.group import Kept, RulesMoved, Submission
from rainer.model.commit import Draft
from rainer.service import Service
from rainer.service.service import RefusedDraft
from tests.contracts.live import Gate, run, submission
from tests.contracts.tables import tamper
from tests.services.waiting import until

_MOVE = "UPDATE journal SET namespaces_tag = 'moved'"
CHANGES: dict[str, tuple[str, type[RainerError] | None]] = {
    "format": ("UPDATE namespaces SET format = 'json' WHERE name = 'other'", MalformedPayload),
    "size": ("UPDATE namespaces SET payload_bytes_max = 2 WHERE name = 'other'", TooLargeError),
    "closed": ("UPDATE namespaces SET is_closed = true WHERE name = 'other'", NamespaceClosed),
    "gone": ("UPDATE namespaces SET name = 'another' WHERE name = 'other'", NamespaceNotFound),
    "another's": ("UPDATE namespaces SET format = 'json' WHERE name = 'diary'", None),
}


def changeset() -> Submission:
    """A commit to the diary, one to another namespace."""
    return Submission((Draft("diary", "k", 1, b"1", "me"), Draft("other", "k", 1, b"text", "me")), "id-1")


async def committed_meanwhile(journal: Journal, statement: str) -> Kept | BaseException:
    """What becomes of a changeset that is checked, and then, while it is in the queue, the rules change."""
    service = Service(journal)
    await service.start()
    try:
        gate = Gate(service.live)
        first = asyncio.create_task(service.commit(submission("first", payload=b"1")))
        await gate.reached.wait()
        checked = asyncio.create_task(service.commit(changeset()))
        await until(lambda: service.live.committer.queued, 10, "the changeset in the queue")
        await service.live.in_thread(tamper, journal, statement, _MOVE)
        gate.open()
        await first
        (outcome,) = await asyncio.gather(checked, return_exceptions=True)
        assert service.live.committer.counters.conflicts == 0
        return outcome
    finally:
        await service.close()


@pytest.mark.parametrize("change", list(CHANGES))
def test_what_is_committed_keeps_the_rules_of_its_moment(journal: Journal, change: str) -> None:
    journal.create_namespace("other")
    statement, refusal = CHANGES[change]
    outcome = run(committed_meanwhile(journal, statement))
    if refusal is None:
        assert isinstance(outcome, Kept)
        assert [row.revision for row in outcome] == [2, 3]
    else:
        assert isinstance(outcome, RefusedDraft)
        assert (outcome.place, type(outcome.error)) == (1, refusal)
        assert journal.position().revision == 1
    assert journal.verify().ok


@pytest.mark.parametrize("is_plain", [True, False], ids=["at once", "in full"])
def test_rules_that_never_rest(journal: Journal, monkeypatch: pytest.MonkeyPatch, is_plain: bool) -> None:
    async def main() -> None:
        service = Service(journal)
        await service.start()
        check, checked = service.check, 0

        def plainly(_service: Service, _draft: Draft) -> str | None:
            nonlocal checked
            checked += is_plain
            return "old" if is_plain else None

        async def check_under_old_rules(drafts: tuple[Draft, ...]) -> str:
            nonlocal checked
            checked += 1
            await check(drafts)
            return "old"

        monkeypatch.setattr(Service, "check_at_once", plainly)
        monkeypatch.setattr(Service, "check", lambda _self, drafts, **_how: check_under_old_rules(drafts))
        with pytest.raises(RulesMoved) as caught:
            await service.commit(submission("k"))
        assert (caught.value.code, caught.value.retryable, checked) == ("unavailable", True, 3)
        await service.close()

    run(main())
    assert journal.position().revision == 0
