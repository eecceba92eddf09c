"""Reading many nodes: in few requests of bounded size, several of them in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from kazoo.exceptions import NoNodeError, UnimplementedError
from kazoo.protocol.states import EventType

from rainer.zk.answers import CALL_TIMEOUT_S, Stat, stat_of, wait
from rainer.zk.failures import translate, translated
from rainer.zk.requests import MultiData, MultiLook, MultiRead

_READ_BYTES_AIM: Final = 1_500_000
_READ_KEYS_MAX: Final = 1_000
_READ_KEYS_FIRST: Final = 8
_READ_KEYS_GROWTH: Final = 8
_LARGE_AT_ONCE: Final = 2
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
        return [None if v is None else (v[0], stat_of(v[1])) for v in self._run(paths, MultiRead, timeout_s)]

    def data(self, paths: Sequence[str]) -> list[bytes | None]:
        """The nodes' data."""
        return self._run(paths, MultiData)

    def large_data(self, paths: Sequence[str]) -> list[bytes | None]:
        """The data of nodes of which each may be as large as a node can be."""
        return self._run(paths, MultiData, keys_max=_LARGE_AT_ONCE)

    def last_changes(self, paths: Sequence[str]) -> list[int | None]:
        """The transaction that last changed each node, None for those that are not there."""
        return [None if v is None else v[1] for v in self._run(paths, MultiLook, in_flight=_LOOKS_IN_FLIGHT)]

    def _run(
        self,
        paths: Sequence[str],
        kind: type[MultiRead],
        timeout_s: float = CALL_TIMEOUT_S,
        in_flight: int = _IN_FLIGHT,
        keys_max: int = _READ_KEYS_MAX,
    ) -> list[Any]:
        """Begin with few, and ask for more at once as answers tell how large nodes are.

        A server takes several times an answer's size from its heap, and one that has no more of it ends.
        """
        found: list[Any] = []
        waiting: deque[tuple[Sequence[str], Any]] = deque()
        at, portion = 0, min(_READ_KEYS_FIRST, keys_max)
        while at < len(paths) or waiting:
            while at < len(paths) and len(waiting) < (in_flight if found else 1):
                some = paths[at : at + portion]
                at += len(some)
                waiting.append((some, self._ask(some, kind)))
            some, result = waiting.popleft()
            values = self._answer(some, result, kind, timeout_s)
            found += values
            size = sum(kind.size_of(value) for value in values if value is not None)
            fitting = _READ_BYTES_AIM * len(some) // max(size, 1)
            portion = max(1, min(keys_max, len(some) * _READ_KEYS_GROWTH, fitting))
        return found

    def _ask(self, paths: Sequence[str], kind: type[MultiRead]) -> Any:
        if not self._has_multi_read:
            return [self._client.get_async(path) for path in paths]
        result = self._client.handler.async_result()
        with translated():
            self._client._call(kind([self._client.chroot + path for path in paths]), result)
        return result

    def _answer(self, paths: Sequence[str], result: Any, kind: type[MultiRead], timeout_s: float) -> list[Any]:
        if isinstance(result, list):
            plain = [wait(one, path, timeout_s) for one, path in zip(result, paths, strict=True)]
            return [None if value is None else kind.made_of(value[0] or b"", value[1]) for value in plain]
        try:
            found: list[Any] = result.get(timeout=timeout_s)
        except UnimplementedError:
            self._has_multi_read = False
            return self._answer(paths, self._ask(paths, kind), kind, timeout_s)
        except Exception as e:
            raise translate(e, paths[0]) from e
        for at, value in enumerate(found):
            if isinstance(value, Exception):
                if not isinstance(value, NoNodeError):
                    raise translate(value, paths[at])
                found[at] = None
        return found

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
