"""The hot calls' way past ASGI's messages, where the server below is uvicorn's own and nothing stands between.

A request that is wholly there is taken without waiting for it, and an answer goes out in one piece. Both together are a
tenth of a commit's cost. Under another server, or inside somebody's middleware, the messages go their ordinary way.
"""

from __future__ import annotations

import re
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from rainer.errors import RainerError

_UNFIT: Final = re.compile(rb"[\x00-\x08\n-\x1f\x7f]")


def take_body(receive: Any) -> bytes | None:
    """The request's body if all of it has come; None if it is still coming, or is not ours to take."""
    cycle = getattr(receive, "__self__", None)
    if type(cycle) is not RequestResponseCycle or cycle.more_body or cycle.waiting_for_100_continue:
        return None
    if cycle.disconnected or cycle.response_complete:
        return None
    body = bytes(cycle.body)
    cycle.body = bytearray()
    cycle.message_event.clear()
    return body


def without_headers(send: Any, names: frozenset[bytes]) -> None:
    """Leave out, in the answer to come, some of the headers that the server adds to every answer: it has its own."""
    cycle = getattr(send, "__self__", None)
    if type(cycle) is RequestResponseCycle:
        cycle.default_headers = [header for header in cycle.default_headers if header[0].lower() not in names]


def answer(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
    """Write a whole answer, which names its Content-Length; False, nothing done, where that is not ours to do.

    Raises RainerError for a header that would end early: a bug, and answered as one.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is not RequestResponseCycle or cycle.response_started or cycle.flow.write_paused:
        return False
    if cycle.disconnected or cycle.access_log or cycle.scope["method"] == "HEAD":
        return False
    lines = [b"%b: %b" % header for header in cycle.default_headers + headers]
    if _UNFIT.search(b"".join(lines)):
        raise RainerError("an answer's header holds a control character")
    if not cycle.keep_alive:
        lines.append(b"connection: close")
    cycle.transport.write(b"%b%b\r\n\r\n%b" % (STATUS_LINE[status], b"\r\n".join(lines), body))
    cycle.response_started = cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
