"""The queue of those who wait for their group: bounded, emptied at the end, and never left standing."""

from __future__ import annotations

import asyncio

import pytest

from rainer.errors import OverloadedError, UnavailableError
from rainer.journal import Journal, JournalOptions
from rainer.model.commit import Draft
from tests.contracts.live import Gate, living, run, submission


def test_a_full_queue_says_so_and_recovers(journal_url: str) -> None:
    options = JournalOptions(queue_items_max=3, queue_bytes_max=10_000)
    with Journal(journal_url, options=options) as journal:

        async def main() -> None:
            async with living(journal) as live:
                gate = Gate(live)
                first = asyncio.create_task(live.commit(submission("first")))
                await gate.reached.wait()
                waiting = [live.committer.submit(submission(f"k{n}")) for n in range(3)]
                with pytest.raises(OverloadedError) as caught:
                    live.committer.submit(submission("fourth"))
                assert caught.value.retry_after_s >= 1
                assert caught.value.retryable
                gate.open()
                await asyncio.gather(first, *waiting)
                await live.commit(submission("fourth"))

        run(main())
        assert journal.position().revision == 5


@pytest.mark.parametrize("heavy", ["payload", "comment"])
def test_a_queue_is_full_by_its_bytes_whatever_they_are(journal_url: str, heavy: str) -> None:
    with Journal(journal_url, options=JournalOptions(queue_bytes_max=10_000)) as journal:

        async def main() -> None:
            async with living(journal) as live:
                gate = Gate(live)
                first = asyncio.create_task(live.commit(submission("first")))
                await gate.reached.wait()
                size = {"payload": bytes(6_000)} if heavy == "payload" else {"payload": b"", "comment": "x" * 6_000}
                one, two = (
                    submission("k")._replace(drafts=(Draft("diary", key, 1, author="me", **size),))  # type: ignore[arg-type]
                    for key in "ab"
                )
                waiting = live.committer.submit(one)
                with pytest.raises(OverloadedError):
                    live.committer.submit(two)
                gate.open()
                await asyncio.gather(first, waiting)

        run(main())


def test_closing_finishes_what_was_accepted_and_refuses_the_rest(journal: Journal) -> None:
    async def main() -> None:
        live = journal.live()
        await live.start()
        futures = [live.committer.submit(submission(f"k{n}")) for n in range(8)]
        closing = asyncio.create_task(live.close())
        answers = await asyncio.gather(*futures)
        await closing
        assert [rows[0].key for rows in answers] == [f"k{n}" for n in range(8)]
        with pytest.raises(UnavailableError):
            await live.commit(submission("late"))
        with pytest.raises(UnavailableError):
            await live.head("diary", "k0")
        with pytest.raises(UnavailableError):
            await live.in_thread(journal.position)

    run(main())
    assert journal.position().revision == 8


def test_a_loop_that_is_torn_down_leaves_no_caller_waiting(journal: Journal) -> None:
    """A program that ends without closing: asyncio.run cancels every task, the committer's too."""
    refused: list[BaseException | None] = []

    async def main() -> None:
        live = journal.live()
        await live.start()
        gate = Gate(live)
        caught = live.committer.submit(submission("in the group"))
        await gate.reached.wait()
        queued = live.committer.submit(submission("in the queue"))
        for future in (caught, queued):
            future.add_done_callback(lambda f: refused.append(None if f.cancelled() else f.exception()))
        live.committer._task.cancel()  # type: ignore[union-attr]
        await asyncio.wait([caught, queued])
        with pytest.raises(UnavailableError):
            live.committer.submit(submission("late"))
        await live.close()

    run(main())
    assert [getattr(error, "code", None) for error in refused] == ["outcome-unknown", "unavailable"]
