"""Typed values: every payload parsed, and where one does not parse, the last that did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from rainer.mirror import heads
from rainer.mirror.heads import Held
from rainer.model.commit import Commit

if TYPE_CHECKING:
    from rainer.mirror.held import HeldHeads

T = TypeVar("T")
_NONE: Final = object()


@dataclass(slots=True)
class _Judged(Generic[T]):
    """A commit, its value or the last good one before it, and why it is not its own."""

    commit: Commit
    value: Any
    why: str | None


class ParsedValues(Mapping[str, T]):
    """A live mapping of parsed payloads, by key; keys that never had one that parses are not in it.

    A payload is parsed when it changes or is first read, once, on the mirror's or the reader's thread, whichever comes
    first. `parse` takes bytes; whatever it raises makes the payload a bad one, which is reported in `errors`.
    """

    def __init__(self, held: HeldHeads, parse: Callable[[bytes], T]) -> None:
        self._held = held
        self._parse = parse
        self._judged: dict[str, _Judged[T]] = {}
        self._before: dict[str, list[Held]] = {}

    def __getitem__(self, key: str) -> T:
        commit = self._held[key]
        judged = self._judged_now(key, commit)
        if judged.value is _NONE:
            raise KeyError(key)
        value: T = judged.value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter([key for key, judged in self._judge_all().items() if judged.value is not _NONE])

    def __len__(self) -> int:
        return sum(judged.value is not _NONE for judged in self._judge_all().values())

    def __contains__(self, key: object) -> bool:
        try:
            self[key]  # type: ignore[index]
        except KeyError:
            return False
        return True

    @property
    def errors(self) -> dict[str, str]:
        """Keys whose present payload does not parse, and why; each keeps its last good value, if it ever had one."""
        return {key: judged.why for key, judged in self._judge_all().items() if judged.why is not None}

    def _judge_all(self) -> dict[str, _Judged[T]]:
        everything = self._held.snapshot()
        return {key: self._judged_now(key, commit) for key, commit in everything.items()}

    def _judged_now(self, key: str, commit: Commit) -> _Judged[T]:
        judged = self._judged.get(key)
        return judged if judged is not None and judged.commit is commit else self._judge(key, commit)

    def _judge(self, key: str, commit: Commit) -> _Judged[T]:
        try:
            found = _Judged[T](commit, self._parse(commit.payload or b""), None)
        except Exception as e:
            found = _Judged(commit, self._last_good(key), f"{type(e).__name__}: {e}")
        with self._held._lock:
            # Superseded meanwhile: then this payload waits among those before, should it be the last good one.
            if self._held._held(key) is commit:
                self._judged[key] = found
                self._before.pop(key, None)
        return found

    def _last_good(self, key: str) -> Any:
        for held in tuple(self._before.get(key, ())):
            try:
                return self._parse(heads.read(key, held, self._held._namespace).payload or b"")
            except Exception:  # neither this one; perhaps the one before
                continue
        known = self._judged.get(key)
        return _NONE if known is None else known.value

    # By the mirror.

    def step(self, key: str, old: Held | None, new: Held | None) -> None:
        """Under the mirror's lock: keep what may be the last good payload until the new one has been looked at."""
        if new is None:
            self._judged.pop(key, None)
            self._before.pop(key, None)
        elif old is not None:
            judged = self._judged.get(key)
            if judged is None or judged.commit is not old:
                self._before.setdefault(key, []).insert(0, old)

    def look(self, key: str) -> None:
        """On the mirror's thread: parse what came, so that it is known whether it can be."""
        commit = self._held.get(key)
        if commit is not None:
            self._judged_now(key, commit)
