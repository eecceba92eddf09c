"""The heads of a namespace as texts in memory: what is searched, sorted and counted for people, at any number of keys.

All texts stand in one lower-cased buffer, which `bytes.find` passes over at some GB a second. What changed since it was
made lies beside it, until that is much. How many versions the keys have makes no difference: only heads are here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from sys import intern
from typing import Final, NamedTuple

from rainer.journal.row import State
from rainer.model.difference import decode

_ENTRY_BYTES: Final = 600
"""What a head costs beside its texts: the entry, its strings' headers, and its place in a dict and two lists."""
_BESIDE_MAX: Final = 2_000
"""So many changed heads lie beside the buffer before it is made anew."""
_END: Final = b"\0"


class Entry(NamedTuple):
    """A head as lists show it."""

    key: str
    version: int
    author: str
    comment: str
    mtime_ms: int
    revision: int
    size_bytes: int


class Text(NamedTuple):
    """A head with the text that is searched: its key and its payload, lower-cased."""

    entry: Entry
    text: bytes


def text_of(
    key: str, version: int, author: str, comment: str, mtime_ms: int, revision: int, payload: bytes | None
) -> Text:
    """A head made ready; of a payload that is no text only the key is searched."""
    words = decode(payload) or ""
    entry = Entry(key, version, intern(author), comment, mtime_ms, revision, len(payload or b""))
    return Text(entry, f"{key}\n{words}".lower().encode() + _END)


class Hit(NamedTuple):
    """A head that was found: by its key, or by what it holds."""

    entry: Entry
    by_key: bool


@dataclass(frozen=True, slots=True)
class HeadTexts:
    """The heads of one namespace at one state of the journal; immutable, and so safe across threads.

    `keys` are in byte order, `by_change` the same with the newest change first.
    """

    state: State
    entries: Mapping[str, Entry]
    keys: Sequence[str]
    by_change: Sequence[str]
    _buffer: bytes = field(repr=False)
    _starts: Sequence[int] = field(repr=False)
    _buffer_keys: Sequence[str] = field(repr=False)
    _beside: Mapping[str, bytes | None] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, state: State, found: Iterable[Text]) -> HeadTexts:
        """Heads in byte order of their keys."""
        texts = list(found)
        starts, at = [], 0
        for one in texts:
            starts.append(at)
            at += len(one.text)
        keys = [one.entry.key for one in texts]
        entries = {one.entry.key: one.entry for one in texts}
        by_change = sorted(keys, key=lambda key: -entries[key].revision)
        return cls(state, entries, keys, by_change, b"".join(one.text for one in texts), [*starts, at], keys)

    @property
    def size_bytes(self) -> int:
        """About what it takes of memory."""
        beside = sum(len(text or b"") for text in self._beside.values())
        return len(self._buffer) + beside + _ENTRY_BYTES * len(self._buffer_keys)

    def moved(self, state: State, changed: Mapping[str, Text | None]) -> HeadTexts:
        """The same at a later state: heads that changed since, None for those that are gone."""
        entries = dict(self.entries)
        keys = list(self.keys)
        for key, one in changed.items():
            if one is not None:
                if key not in entries:
                    keys.insert(bisect_left(keys, key), key)
                entries[key] = one.entry
            elif entries.pop(key, None) is not None:
                del keys[bisect_left(keys, key)]
        newest = sorted((key for key in changed if key in entries), key=lambda key: -entries[key].revision)
        by_change = [*newest, *(key for key in self.by_change if key not in changed)]
        beside = {**self._beside, **{key: None if one is None else one.text for key, one in changed.items()}}
        made = HeadTexts(state, entries, keys, by_change, self._buffer, self._starts, self._buffer_keys, beside)
        return made if len(beside) <= _BESIDE_MAX else made._compact()

    def _compact(self) -> HeadTexts:
        at = {key: place for place, key in enumerate(self._buffer_keys)}

        def text(key: str) -> bytes:
            beside = self._beside.get(key)
            return self._buffer[self._starts[at[key]] : self._starts[at[key] + 1]] if beside is None else beside

        return HeadTexts.of(self.state, [Text(self.entries[key], text(key)) for key in self.keys])

    # Searching

    def search(self, words: Sequence[str]) -> Iterator[Hit]:
        """Heads that hold all these words in key or payload, in whatever case.

        Those whose keys hold them come first, of these the ones that begin so; each kind with the newest change first.
        """
        wanted = [word.lower().encode() for word in words]
        found = {key: self._holds_in_key(key, wanted) for key in self._found(wanted)}
        first = words[0].lower() if words else ""
        ranked = sorted(
            found, key=lambda key: (not found[key], not key.lower().startswith(first), -self.entries[key].revision)
        )
        for key in ranked:
            yield Hit(self.entries[key], found[key])

    def _holds_in_key(self, key: str, wanted: Sequence[bytes]) -> bool:
        text = key.lower().encode()
        return all(word in text for word in wanted)

    def _found(self, wanted: Sequence[bytes]) -> Iterator[str]:
        for key, text in self._beside.items():
            if text is not None and all(word in text for word in wanted):
                yield key
        buffer, starts = self._buffer, self._starts
        longest = max(wanted, key=len)  # the rarest, as a rule
        others = [word for word in wanted if word is not longest]
        at = buffer.find(longest)
        while at >= 0:
            place = bisect_right(starts, at) - 1
            start, end = starts[place], starts[place + 1]
            key = self._buffer_keys[place]
            if key not in self._beside and all(buffer.find(word, start, end) >= 0 for word in others):
                yield key
            at = buffer.find(longest, end)
