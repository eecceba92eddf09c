"""Reading many nodes: in few requests of bounded size, several of them in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from kazoo.exceptions import NoNodeError, UnimplementedError
from kazoo.protocol.states import EventType

from rainer.zk.answers import CALL_TIMEOUT_S, Stat, stat_of, value_of, wait
from rainer.zk.failures import translate, translated
from rainer.zk.requests import MultiLook, MultiRead

_READ_BYTES_AIM: Final = 1_500_000
_READ_KEYS_MAX: Final = 1_000
_READ_KEYS_FIRST: Final = 100
_IN_FLIGHT: Final = 4
_LOOKS_IN_FLIGHT: Final = 2
_WATCHES_IN_FLIGHT: Final = 500


class ManyReader:
    """Reads by multi-read (ZooKeeper 3.6 and newer), else by one request a node. Thread-safe."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._has_multi_read = True

    def read(self, paths: Sequence[str], timeout_s: float = CALL_TIMEOUT_S) -> list[tuple[bytes, Stat] | None]:
        """The nodes' data and stats in their order, None for those that are not there.

        `timeout_s` is what each request may take, not all of them.
        """
        found: list[tuple[bytes, Stat] | None] = []
        waiting: deque[tuple[Sequence[str], Any]] = deque()
        at, portion = 0, _READ_KEYS_FIRST
        while at < len(paths) or waiting:
            while at < len(paths) and len(waiting) < _IN_FLIGHT:
                some = paths[at : at + portion]
                at += len(some)
                waiting.append((some, self._ask(some)))
            some, result = waiting.popleft()
            values = self._answer(some, result, timeout_s)
            found += values
            size = sum(len(v[0]) for v in values if v is not None)
            portion = max(1, min(_READ_KEYS_MAX, _READ_BYTES_AIM * len(some) // max(size, 1)))
        return found

    def last_changes(self, paths: Sequence[str]) -> list[int | None]:
        """The transaction that last changed each node, None for those that are not there."""
        found: list[int | None] = []
        waiting: deque[tuple[Sequence[str], Any]] = deque()
        at, portion = 0, _READ_KEYS_FIRST
        while at < len(paths) or waiting:
            while at < len(paths) and len(waiting) < _LOOKS_IN_FLIGHT:
                some = paths[at : at + portion]
                at += len(some)
                waiting.append((some, self._ask(some, MultiLook)))
            some, result = waiting.popleft()
            size, zxids = self._looked(some, result)
            found += zxids
            portion = max(1, min(_READ_KEYS_MAX, _READ_BYTES_AIM * len(some) // max(size, 1)))
        return found

    def _looked(self, paths: Sequence[str], result: Any) -> tuple[int, list[int | None]]:
        if isinstance(result, list) or not self._has_multi_read:
            values = self._answer(paths, result, CALL_TIMEOUT_S)
            size = sum(len(v[0]) for v in values if v is not None)
            return size, [None if v is None else v[1].mzxid for v in values]
        try:
            looked = result.get(timeout=CALL_TIMEOUT_S)
        except UnimplementedError:
            self._has_multi_read = False
            return self._looked(paths, self._ask(paths))
        except Exception as e:
            raise translate(e, paths[0]) from e
        failures = [v for v in looked if isinstance(v, Exception) and not isinstance(v, NoNodeError)]
        if failures:
            raise translate(failures[0], paths[0])
        sizes = sum(v[0] for v in looked if not isinstance(v, Exception))
        return sizes, [None if isinstance(v, Exception) else v[1] for v in looked]

    def _ask(self, paths: Sequence[str], kind: type[MultiRead] = MultiRead) -> Any:
        if not self._has_multi_read:
            return [self._client.get_async(path) for path in paths]
        result = self._client.handler.async_result()
        with translated():
            self._client._call(kind([self._client.chroot + path for path in paths]), result)
        return result

    def _answer(self, paths: Sequence[str], result: Any, timeout_s: float) -> list[tuple[bytes, Stat] | None]:
        if isinstance(result, list):
            return [_found(wait(one, path, timeout_s)) for one, path in zip(result, paths, strict=True)]
        try:
            found = result.get(timeout=timeout_s)
        except UnimplementedError:
            self._has_multi_read = False
            return self._answer(paths, self._ask(paths), timeout_s)
        except Exception as e:
            raise translate(e, paths[0]) from e
        return [value_of(value, path) for value, path in zip(found, paths, strict=True)]

    def watch(self, paths: Sequence[str], changed: Callable[[str], None]) -> list[tuple[bytes, Stat] | None]:
        """As `read`, one request a node, and one call of `changed(path)` for each that changes or goes later.

        What is not there is not watched: its coming to be is for who watches the children above it.
        """
        found: list[tuple[bytes, Stat] | None] = []
        waiting: deque[tuple[str, Any]] = deque()
        for path in paths:
            waiting.append((path, self._client.get_async(path, watch=_only_changes(path, changed))))
            if len(waiting) >= _WATCHES_IN_FLIGHT:
                found.append(_first(waiting))
        while waiting:
            found.append(_first(waiting))
        return found


def _only_changes(path: str, changed: Callable[[str], None]) -> Callable[[Any], None]:
    def fired(event: Any) -> None:
        if event.type != EventType.NONE:
            changed(path)

    return fired


def _first(waiting: deque[tuple[str, Any]]) -> tuple[bytes, Stat] | None:
    path, result = waiting.popleft()
    return _found(wait(result, path))


def _found(value: Any) -> tuple[bytes, Stat] | None:
    return None if value is None else (value[0] or b"", stat_of(value[1]))
