"""What an HTTP source asks its server for."""

from __future__ import annotations

from typing import Final

from rainer.client.address import Address, with_query
from rainer.client.refusals import refusal
from rainer.client.transport import Answer
from rainer.errors import PositionGone
from rainer.mirror.http_metas import Page, page_of
from rainer.mirror.http_wire import Wire

_READABLE: Final = "X-Rainer-Readable"
_LIST_S: Final = 30.0
_PAGE_S: Final = 5.0


class Questions:
    """Asks for one namespace. Each raises UnavailableError without an answer, and what a refusal stands for."""

    def __init__(self, wire: Wire, address: Address) -> None:
        self._wire = wire
        self._address = address
        self._readable: str | None = None
        """What the mirror could read when it loaded, as the server named it; None where it asks nobody."""

    def list(self, tag: str | None = None) -> Answer:
        """All heads with their payloads, removed keys included; a 304 where `tag` still holds."""
        query = {"all": "yes", "payload_base64": "yes", "revisions": "yes"}
        path = with_query(self._address.namespace_path(), query)
        known = {} if tag is None else {"If-None-Match": tag} | ({_READABLE: self._readable} if self._readable else {})
        answer = self._wire.get(path, known, _LIST_S)
        answer = answer if answer.status == 304 and tag is not None else self.granted(answer)
        self._readable = answer.headers.get(_READABLE)
        return answer

    def page(self, since: int, lineage: str, chain: bytes | None, wait_s: int = 0) -> Page:
        """What follows a position, after `wait_s` seconds at most."""
        path = self.feed_path(since, lineage, chain, wait_s)
        return self.same_sight(page_of(self.granted(self._wire.get(path, {}, wait_s + _PAGE_S))))

    def same_sight(self, page: Page) -> Page:
        """The page, if as much may be read as when all was loaded; else PositionGone, for older commits are missing.

        After a start from a snapshot nothing is known of that.
        """
        if page.readable != self._readable:
            raise PositionGone("what this mirror may read is not what it was when it was loaded")
        return page

    def feed_path(self, since: int, lineage: str, chain: bytes | None, wait_s: int = 0) -> str:
        """Where the feed goes on from a position."""
        query: dict[str, str | int | None] = {
            "since": since, "namespace": self._address.namespace, "payload_base64": "yes", "lineage": lineage,
            "readable": self._readable,
            "chain": None if chain is None else chain.hex(), "wait": wait_s or None,
        }  # fmt: skip
        return with_query("/-/changes", query)

    def granted(self, answer: Answer) -> Answer:
        """The answer, if it is a 200."""
        if answer.status != 200:
            raise refusal(answer, self._address.namespace, f"namespace {self._address.namespace!r}")
        return answer
