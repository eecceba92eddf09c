"""Answers past ASGI: only where uvicorn itself is at the other end, and never a header that ends early."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from rainer.api import at_once
from rainer.errors import RainerError

LENGTH = (b"Content-Length", b"2")


class Recorder(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def cycle_on(transport: Recorder, on_response: Callable[[], None], *, keep_alive: bool = True) -> RequestResponseCycle:
    """What uvicorn makes of a request; its body is `{}` and whole."""
    log = logging.getLogger("test")
    cycle = RequestResponseCycle(
        scope={"method": "POST"}, transport=transport, flow=FlowControl(transport), logger=log, access_logger=log,  # type: ignore[typeddict-item]
        access_log=False, default_headers=[(b"date", b"today")], message_event=asyncio.Event(),
        expect_100_continue=False, keep_alive=keep_alive, on_response=on_response,
    )  # fmt: skip
    cycle.body, cycle.more_body = bytearray(b"{}"), False
    return cycle


def test_a_whole_answer_goes_out_in_one_piece() -> None:
    transport, ended = Recorder(), []
    cycle = cycle_on(transport, lambda: ended.append(True))
    assert at_once.answer(cycle.send, 200, [LENGTH], b"ok")
    assert transport.written == b"HTTP/1.1 200 OK\r\ndate: today\r\nContent-Length: 2\r\n\r\nok"
    assert (cycle.response_complete, ended, transport.closed) == (True, [True], False)
    assert not at_once.answer(cycle.send, 200, [LENGTH], b"ok")


def test_a_connection_that_is_not_kept_is_closed_and_told_so() -> None:
    transport = Recorder()
    assert at_once.answer(cycle_on(transport, bool, keep_alive=False).send, 200, [LENGTH], b"ok")
    assert transport.written.endswith(b"\r\nconnection: close\r\n\r\nok")
    assert transport.closed


@pytest.mark.parametrize("value", [b"a\r\nSet-Cookie: b", b"a\nb", b"a\x00"])
def test_a_header_that_ends_early_is_not_sent(value: bytes) -> None:
    transport = Recorder()
    with pytest.raises(RainerError, match="control character"):
        at_once.answer(cycle_on(transport, bool).send, 200, [LENGTH, (b"X-Rainer-Author", value)], b"ok")
    assert transport.written == b""


def test_a_body_that_has_come_is_taken_once_and_one_that_is_coming_is_not() -> None:
    cycle = cycle_on(Recorder(), bool)
    assert at_once.take_body(cycle.receive) == b"{}"
    assert at_once.take_body(cycle.receive) == b""
    cycle.more_body = True
    assert at_once.take_body(cycle.receive) is None


def test_what_stands_between_sees_every_message() -> None:
    cycle = cycle_on(Recorder(), bool)

    async def send(message: Any) -> None:
        await cycle.send(message)

    async def receive() -> Any:
        return await cycle.receive()

    assert not at_once.answer(send, 200, [LENGTH], b"ok")
    assert at_once.take_body(receive) is None
