"""Hooks: somebody else is asked whether a commit may be made, over HTTP or as a Python function of the server.

Each call runs in a thread of its own, which nobody waits for longer than its rule says. A thread of Python code that
hangs cannot be ended: so many of them at most, then hooks count as down without being asked.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, Final, NamedTuple

import urllib3

from rainer.model.rules import PYTHON, Rule
from rainer.model.setting_values import redact

GROUP: Final = "rainer.hooks"
"""The entry points that are hooks: functions of a Proposed that return None, or why not: a text or a HookRefusal."""
THREADS_MAX: Final = 64
ANSWER_BYTES_MAX: Final = 64 * 1024
_GRACE_S: Final = 0.5
_MESSAGE_CHARS_MAX: Final = 1_000
_USER_AGENT: Final = "rainer"


class Proposed(NamedTuple):
    """A commit that a hook is asked about; `previous` is the payload before it, None where there is none.

    `payload` is None where the key is removed. With `dry_run` nothing is committed whatever the hook says.
    """

    namespace: str
    key: str
    version: int
    payload: bytes | None
    author: str
    comment: str
    previous: bytes | None = None
    dry_run: bool = False

    def to_json(self) -> bytes:
        """What an HTTP hook is sent."""
        body = self._asdict()
        for name in ("payload", "previous"):
            data = body.pop(name)
            body[f"{name}_base64"] = None if data is None else base64.b64encode(data).decode()
        return json.dumps(body | {"empty": self.payload is None}).encode()


class HookRefusal(NamedTuple):
    """Why a hook refuses, and a JSON pointer to what it means, if it tells."""

    message: str
    pointer: str | None = None


class HookDown(Exception):
    """A hook gave no answer that counts: its rule says what then."""


class Hooks:
    """Thread-safe. The hooks of this process, and the connections to those elsewhere."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0

    @cached_property
    def _functions(self) -> dict[str, Any]:
        return {one.name: one for one in entry_points(group=GROUP)}

    @cached_property
    def _connections(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(maxsize=8, retries=False, headers={"User-Agent": _USER_AGENT})

    def close(self) -> None:
        """Close the connections."""
        with contextlib.suppress(KeyError):
            self.__dict__["_connections"].clear()

    def is_known(self, hook: str) -> bool:
        """Whether it is one over HTTP, or one that is installed in this server."""
        return not hook.startswith(PYTHON) or hook.removeprefix(PYTHON) in self._functions

    def begin(self, rule: Rule, proposed: Proposed) -> Future[HookRefusal | None]:
        """Ask, in a thread; the future fails with HookDown."""
        answer: Future[HookRefusal | None] = Future()
        with self._lock:
            if self._running >= THREADS_MAX:
                answer.set_exception(HookDown(f"{self._running} calls of hooks have not come back"))
                return answer
            self._running += 1

        def ask() -> None:
            try:
                found = self._ask(rule, proposed)
            except HookDown as e:
                answer.set_exception(e)
            except BaseException as e:
                answer.set_exception(HookDown(f"it failed: {type(e).__name__}: {e}"))
            else:
                answer.set_result(found)
            finally:
                with self._lock:
                    self._running -= 1

        threading.Thread(target=ask, name="rainer-hook", daemon=True).start()
        return answer

    def ask(self, rule: Rule, proposed: Proposed) -> HookRefusal | None:
        """Ask, and wait for as long as the rule says; HookDown."""
        try:
            return self.begin(rule, proposed).result(rule.timeout_s + _GRACE_S)
        except TimeoutError:
            raise too_slow(rule.timeout_s) from None

    def _ask(self, rule: Rule, proposed: Proposed) -> HookRefusal | None:
        assert rule.hook is not None
        if rule.hook.startswith(PYTHON):
            return self._call(rule.hook.removeprefix(PYTHON), proposed)
        return self._post(rule.hook, rule.timeout_s, proposed)

    def _call(self, name: str, proposed: Proposed) -> HookRefusal | None:
        found = self._functions.get(name)
        if found is None:
            raise HookDown(f"no entry point {name!r} of {GROUP} is installed in this server")
        function: Callable[[Proposed], object] = found.load()
        said = function(proposed)
        if said is None or isinstance(said, HookRefusal):
            return said
        if isinstance(said, str):
            return HookRefusal(said[:_MESSAGE_CHARS_MAX])
        raise HookDown(f"it returned {type(said).__name__}, neither None nor a reason")

    def _post(self, url: str, timeout_s: float, proposed: Proposed) -> HookRefusal | None:
        end = time.monotonic() + timeout_s
        try:
            answer = self._connections.request(
                "POST", url, body=proposed.to_json(), headers={"Content-Type": "application/json"}, redirect=False,
                timeout=urllib3.Timeout(total=timeout_s), preload_content=False, decode_content=False,
            )  # fmt: skip
            try:
                body = _read(answer, end)
            finally:
                answer.close()
        except urllib3.exceptions.TimeoutError:
            raise too_slow(timeout_s) from None
        except (urllib3.exceptions.HTTPError, OSError) as e:
            raise HookDown(redact(f"it cannot be asked: {type(e).__name__}: {e}")) from None
        if 200 <= answer.status < 300:
            return None
        if answer.status == 422:
            return _refusal(body)
        raise HookDown(f"it answered {answer.status}")


def too_slow(timeout_s: float) -> HookDown:
    """It took longer than its rule gives it."""
    return HookDown(f"it did not answer within {timeout_s:g} s")


def wait_s(rule: Rule) -> float:
    """How long to wait for a hook's thread: it ends by itself a little before, and then says more."""
    return rule.timeout_s + _GRACE_S


def _read(answer: Any, end: float) -> bytes:
    """An answer's body as it was sent, bounded in bytes and time: a server may drip, and little may unpack to much."""
    body = b""
    while part := answer.read1(ANSWER_BYTES_MAX):
        body += part
        if len(body) > ANSWER_BYTES_MAX:
            raise HookDown(f"its answer is over {ANSWER_BYTES_MAX} bytes")
        if time.monotonic() > end:
            raise HookDown("its answer did not end in time")
    return body


def _refusal(body: bytes) -> HookRefusal:
    try:
        said = json.loads(body)
        message, pointer = said["message"], said.get("pointer")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return HookRefusal("the hook refuses, and does not say why")
    shown = " ".join(str(message).split())[:_MESSAGE_CHARS_MAX]
    fits = isinstance(pointer, str) and len(pointer) <= _MESSAGE_CHARS_MAX and pointer.isprintable()
    return HookRefusal(shown, pointer if fits else None)
