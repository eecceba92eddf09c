"""A mirror's heads over HTTP: the list, then server-sent events, or long polls where events do not get through."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import requests

from rainer import limits
from rainer.client.address import Address
from rainer.client.answers import is_ancestor
from rainer.client.retries import Retries
from rainer.client.transport import Answer
from rainer.errors import InvalidError, OverloadedError, PositionGone, RainerError, UnavailableError, from_dict
from rainer.mirror.events import Event, events
from rainer.mirror.http_loading import Loader
from rainer.mirror.http_metas import Page, heads_of_list, page_of_members
from rainer.mirror.http_questions import Questions
from rainer.mirror.http_reporter import HttpReporter
from rainer.mirror.http_wire import Silence, Stream, Wire
from rainer.mirror.source import Sink
from rainer.mirror.standing import STALE_AFTER_S
from rainer.model import times
from rainer.model.position import Position

log = logging.getLogger("rainer.mirror")

SILENCE_S: Final = 1.5 * limits.FEED_BEAT_S
"""A stream that says nothing for so long is dead: its server would have beaten."""
_POLL_WAIT_S: Final = 5
_POLLING_S: Final = 300.0
"""How long long polls take the place of events that did not get through, before these are tried again."""
_SETTLED_S: Final = 5.0
_RETRY_AFTER_S_MAX: Final = 10.0
_PAUSES: Final = Retries(times=0, pause_s=0.05, pause_max_s=2.0)


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """`session` as the Client's; `poll_s` is how often an ancestor's server, which has no feed, is asked.

    With `reports` off the server does not list this mirror, and nobody waits for it. `followers` tells the reports of
    those who follow this mirror; `silence_s` is when a stream is taken for dead.
    """

    session: requests.Session | Callable[[], requests.Session] | None = None
    connect_timeout_s: float = 3.0
    poll_s: float = 2.0
    silence_s: float = SILENCE_S
    reports: bool = True
    followers: Callable[[], Sequence[dict[str, Any]]] | None = None

    def __post_init__(self) -> None:
        if min(self.connect_timeout_s, self.poll_s, self.silence_s) <= 0:
            raise InvalidError("a timeout must be longer than 0 seconds")


class HttpSource:
    """Follows the namespace of an address with one thread, and reports with another. See Source."""

    def __init__(self, address: Address, options: HttpOptions) -> None:
        self._address = address
        self._options = options
        self._wire = Wire(address, options.session, options.connect_timeout_s)
        self._questions = Questions(self._wire, address)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._reporter: HttpReporter | None = None
        self._at: Position | None = None
        self._polls_until = 0.0

    def describe(self) -> str:
        return self._address.base

    def start(self, sink: Sink) -> None:
        self._sink = sink
        self._at = sink.position
        self._loader = Loader(self._questions, sink, self._address.base)
        options = self._options
        if options.reports:
            self._reporter = HttpReporter(self._address.with_login, sink, options.followers, options.session)
            self._reporter.start()
        name = f"rainer-mirror-{self._address.namespace}-http"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._wire.interrupt()
        if self._thread is not None:
            self._thread.join()
        if self._reporter is not None:
            self._reporter.close()
        self._wire.close()

    def abandon(self) -> None:
        self._ended.set()
        self._wire.abandon()
        if self._reporter is not None:
            self._reporter.abandon()

    # The thread

    def _run(self) -> None:
        failures = 0
        while not self._ended.is_set():
            begun = time.monotonic()
            pause_s = 0.0
            try:
                self._follow()
            except PositionGone as e:
                log.info("%s is loaded anew: %s", self._address.base, e)
                self._at = None
            except RainerError as e:
                pause_s = self._away(e)
            except Exception as e:  # whatever it is: a mirror that gave up would look like one with nothing new
                log.exception("the mirror of %s stumbled and goes on", self._address.base)
                pause_s = self._away(UnavailableError(f"{self._address.base}: {type(e).__name__}: {e}"))
            failures = 1 if time.monotonic() - begun > _SETTLED_S else failures + 1
            self._ended.wait(max(pause_s, _PAUSES.pause_after(failures)))

    def _away(self, error: RainerError) -> float:
        """Say that the source is away; the seconds that the server asked to be left alone."""
        if not self._ended.is_set():
            log.debug("%s: %s", self._address.base, error)
            self._sink.away(error)
            self._tell(str(error))
        return min(float(error.retry_after_s), _RETRY_AFTER_S_MAX) if isinstance(error, OverloadedError) else 0.0

    def _tell(self, error: str | None = None) -> None:
        if self._reporter is not None:
            self._reporter.changed(error)

    def _follow(self) -> None:
        """Load what is not there, catch up, and follow until something fails or the server ends the stream."""
        if self._at is None:
            found = self._loader.load()
            if not isinstance(found, Position):
                self._follow_ancestor(found)
                return
            self._at = found
            self._tell("")
            self._tell()
        self._catch_up(self._at)
        if time.monotonic() < self._polls_until:
            self._follow_by_polls()
        else:
            self._follow_by_events()

    def _follow_ancestor(self, answer: Answer) -> None:
        """Ask for the list again and again, until it is a Rainer server that answers."""
        while not self._ended.is_set() and is_ancestor(answer):
            asked_ms = times.now_ms()
            if answer.status == 200:
                self._sink.replace(heads_of_list(answer), None)
            self._sink.confirm(None, asked_ms)
            tag = answer.headers.get("etag")
            self._ended.wait(self._options.poll_s)
            if not self._ended.is_set():
                answer = self._questions.list(tag)

    # Following

    def _catch_up(self, at: Position) -> None:
        while True:
            asked_ms = times.now_ms()
            page = self._questions.page(at.revision, at.lineage, at.chain)
            self._take(page, asked_ms)
            at = page.position
            if not page.more:
                return

    def _take(self, page: Page, asked_ms: int | None = None) -> None:
        """Have the mirror take a page: as a whole, for a page never splits a changeset."""
        has_news = page.position != self._at or bool(page.records)
        if has_news and not self._sink.apply(page.records, page.position):
            raise PositionGone(f"what the mirror holds is not what {self._address.base} goes on from")
        self._at = page.position
        if not page.more:
            self._confirm(page.age_s, asked_ms)
        if has_news:
            self._tell()

    def _confirm(self, age_s: float | None, asked_ms: int | None = None) -> None:
        """The server had nothing newer than what was taken; a mirror knows that only as of when it was current."""
        if age_s is not None and self._at is not None:
            now_ms = times.now_ms() if asked_ms is None else asked_ms
            self._sink.confirm(self._at.revision, now_ms - int(age_s * 1000))
        is_old = age_s is None or age_s > STALE_AFTER_S
        self._tell(f"{self._address.base} is a mirror, and not current itself" if is_old else "")

    def _follow_by_polls(self) -> None:
        while not self._ended.is_set() and time.monotonic() < self._polls_until and self._at is not None:
            asked_ms = times.now_ms()
            at = self._at
            self._take(self._questions.page(at.revision, at.lineage, at.chain, _POLL_WAIT_S), asked_ms)

    def _follow_by_events(self) -> None:
        at = self._at
        assert at is not None
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
        path = self._questions.feed_path(at.revision, at.lineage, at.chain)
        following = _Following(self)
        try:
            with self._wire.stream(path, headers, self._options.silence_s) as stream:
                if stream.status != 200:
                    self._questions.granted(stream.whole())
                if stream.content_type == "text/event-stream":
                    following.read(stream)
                    return
        except Silence:
            if following.has_heard:
                raise
        log.info("events of %s do not get through; polling instead", self._address.base)
        self._polls_until = time.monotonic() + _POLLING_S


class _Following:
    """One stream of events, read to its end."""

    def __init__(self, source: HttpSource) -> None:
        self._source = source
        self.has_heard = False
        self._is_troubled = False

    def read(self, stream: Stream) -> None:
        for event in events(stream.pieces()):
            self.has_heard = True
            if self._source._ended.is_set():
                return
            self._heed(event, stream)

    def _heed(self, event: Event, stream: Stream) -> None:
        source = self._source
        if event.kind == "changes":
            self._is_troubled = False
            answer = Answer(200, {}, event.data, source._address.base)
            source._take(source._questions.same_sight(page_of_members(answer, json.loads(event.data))))
        elif event.kind == "gone":
            raise from_dict(json.loads(event.data))
        elif event.kind == "" and event.data.startswith(b"beat"):
            self._beat(event.data)
        elif event.kind == "":
            # The server is there, and cannot look at its database: it beats on, and knows nothing of what it misses.
            self._is_troubled = True
            source._away(UnavailableError(f"{source._address.base} cannot tell what is new: {event.data.decode()}"))

    def _beat(self, beat: bytes) -> None:
        if self._is_troubled:
            self._is_troubled = False  # a second beat without trouble between them is to be believed
            return
        self._source._confirm(_age_s(beat))


def _age_s(beat: bytes) -> float | None:
    """How old a mirror says that it is, in `beat age_s=0.25`; a journal's server says nothing and is not."""
    _, _, told = beat.partition(b"age_s=")
    if not told:
        return 0.0
    try:
        return max(0.0, float(told))
    except ValueError:
        return None
