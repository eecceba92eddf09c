"""The queue of those who wait for their group: bounded, emptied at the end, and never left standing."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from rainer.errors import OutcomeUnknown, OverloadedError, UnavailableError
from rainer.journal import Journal, JournalOptions, committer
from rainer.journal.group import Submission
from rainer.model.commit import Draft
from rainer.service import Service
from tests.contracts.live import Gate, living, run, submission
from tests.services.waiting import wait_until


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


def heavy_submission(heavy: str, key: str) -> Submission:
    """One that holds more than half of 10,000 bytes, for one reason or another."""
    if heavy == "payload":
        drafts = [Draft("diary", key, 1, bytes(6_000), "me")]
    elif heavy == "comment":
        drafts = [Draft("diary", key, 1, b"", "me", "x" * 6_000)]
    else:
        drafts = [Draft("diary", f"{key}{n}", 1, b"", "me") for n in range(20)]
    return Submission(tuple(drafts), None)


@pytest.mark.parametrize("heavy", ["payload", "comment", "many drafts"])
def test_a_queue_is_full_by_its_bytes_whatever_they_are(journal_url: str, heavy: str) -> None:
    with Journal(journal_url, options=JournalOptions(queue_bytes_max=10_000)) as journal:

        async def main() -> None:
            async with living(journal) as live:
                gate = Gate(live)
                first = asyncio.create_task(live.commit(submission("first")))
                await gate.reached.wait()
                waiting = live.committer.submit(heavy_submission(heavy, "a"))
                with pytest.raises(OverloadedError):
                    live.committer.submit(heavy_submission(heavy, "b"))
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


def test_a_committer_that_dies_leaves_no_caller_waiting(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """A bug in the committer itself, behind the transaction: what is in the group may have been kept."""

    async def main() -> None:
        service = Service(journal)
        await service.start()
        await service.check_ready()
        live, gate = service.live, Gate(service.live)
        caught = live.committer.submit(submission("in the group"))
        await gate.reached.wait()
        queued = live.committer.submit(submission("in the queue"))
        live.committer._deliver = None  # type: ignore[method-assign, assignment]
        gate.open()
        await asyncio.wait([caught, queued])
        assert [getattr(f.exception(), "code", None) for f in (caught, queued)] == ["outcome-unknown", "unavailable"]
        assert live.committer.queued == 0
        with pytest.raises(UnavailableError, match="TypeError"):
            live.committer.submit(submission("late"))
        with pytest.raises(UnavailableError, match="TypeError"):
            await service.check_ready()
        await live.head("diary", "in the group")  # reads go on
        await service.close()

    run(main())
    died = [r for r in caplog.records if r.levelno == logging.CRITICAL]
    assert [r.exc_info is not None for r in died] == [True]
    assert journal.position().revision == 1


def test_closing_never_blocks_the_loop(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is stopped in the middle of a group, and a loop that is torn down around it."""
    monkeypatch.setattr(committer, "_CLOSE_S", 0.2)
    stopped, goes_on = threading.Event(), threading.Event()
    closed_in: list[str] = []

    async def main() -> None:
        live = journal.live()
        await live.start()
        if live.committer._thread is None:  # its session waits on the loop, with a bound of its own
            await live.close()
            return
        session: Any = live.committer._session
        begin, close = session.begin, session.close

        async def hang() -> Any:
            stopped.set()
            goes_on.wait()
            return await begin()

        async def note_close() -> None:
            await close()
            closed_in.append(threading.current_thread().name)

        session.begin, session.close = hang, note_close
        caught = live.committer.submit(submission("k"))
        await asyncio.to_thread(stopped.wait)
        live.committer._task.cancel()  # type: ignore[union-attr]
        await live.close()
        assert not closed_in
        assert isinstance(caught.exception(), UnavailableError | OutcomeUnknown)
        goes_on.set()
        thread: Any = live.committer._thread
        await asyncio.to_thread(wait_until, lambda: closed_in, 20, "the session's end")
        assert closed_in[0].startswith("rainer-committer")
        for one in thread._threads:
            one.join()

    run(main())
