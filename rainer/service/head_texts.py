"""The heads of a namespace as texts in memory: what is searched, sorted and counted for people, at any number of keys.

All texts stand in one lower-cased buffer, which `bytes.find` passes over at some GB a second. What changed since it was
made lies beside it, until that is much. How many versions the keys have makes no difference: only heads are here.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from sys import intern
from typing import Final, NamedTuple

from rainer.journal.row import State
from rainer.model.difference import decode

_ENTRY_BYTES: Final = 600
"""What a head costs beside its texts: the entry, its strings' headers, and its place in a dict and two lists."""
HITS_MAX: Final = 2_000
"""More hits than these nobody reads; a search with more is told the first."""
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
    _places_by_change: Sequence[int] = field(repr=False)
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
        places = array("I", sorted(range(len(keys)), key=lambda place: -texts[place].entry.revision))
        by_change = [keys[place] for place in places]
        buffer = b"".join(one.text for one in texts)
        return cls(state, entries, keys, by_change, buffer, array("Q", [*starts, at]), keys, places)

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
        made = replace(self, state=state, entries=entries, keys=keys, by_change=by_change, _beside=beside)
        return made if len(beside) <= _BESIDE_MAX else made._compact()

    def _compact(self) -> HeadTexts:
        at = {key: place for place, key in enumerate(self._buffer_keys)}

        def text(key: str) -> bytes:
            beside = self._beside.get(key)
            return self._buffer[self._starts[at[key]] : self._starts[at[key] + 1]] if beside is None else beside

        return HeadTexts.of(self.state, [Text(self.entries[key], text(key)) for key in self.keys])

    # Searching

    def search(self, words: Sequence[str], keys: Container[str] | None = None) -> tuple[list[Hit], bool]:
        """Heads that hold all these words in key or payload, in whatever case; and whether there are more than told.

        Those whose keys hold them come first, of these the ones that begin so; each kind with the newest change first.
        Where `keys` are given, none but these are found.
        """
        wanted = [word.lower().encode() for word in words]
        found = list(islice(self._in_order(wanted, keys), HITS_MAX + 1))
        if len(found) > HITS_MAX:  # so common that the newest are soon found by looking at each
            found = list(islice(self._by_change(wanted, keys), HITS_MAX))
            named = dict.fromkeys(islice(self._named(words, keys), HITS_MAX), True)
            found = list(dict.fromkeys((*named, *found)))[:HITS_MAX]
            return [Hit(self.entries[key], key in named) for key in found], True
        hits = [Hit(self.entries[key], self._is_named(key, words)) for key in found]
        first = words[0].lower()
        hits.sort(key=lambda h: (not h.by_key, not h.entry.key.lower().startswith(first), -h.entry.revision))
        return hits, False

    def _is_named(self, key: str, words: Sequence[str]) -> bool:
        low = key.lower()
        return all(word.lower() in low for word in words)

    def _named(self, words: Sequence[str], keys: Container[str] | None) -> Iterator[str]:
        left = self.by_change
        for word in map(str.lower, words):
            left = [key for key in left if word in key.lower()]
        return (key for key in left if keys is None or key in keys)

    def _near(self, wanted: Sequence[bytes]) -> Iterator[str]:
        """Of those beside the buffer, which are the newest."""
        for key, text in reversed(list(self._beside.items())):
            if text is not None and all(word in text for word in wanted):
                yield key

    def _by_change(self, wanted: Sequence[bytes], keys: Container[str] | None) -> Iterator[str]:
        """What holds the words, the newest change first, found by looking at one after the other."""
        yield from (key for key in self._near(wanted) if keys is None or key in keys)
        buffer, starts = self._buffer, self._starts
        for place in self._places_by_change:
            if all(buffer.find(word, starts[place], starts[place + 1]) >= 0 for word in wanted):
                key = self._buffer_keys[place]
                if key not in self._beside and (keys is None or key in keys):
                    yield key

    def _in_order(self, wanted: Sequence[bytes], keys: Container[str] | None) -> Iterator[str]:
        """What holds the words, found by passing over all texts at once."""
        yield from (key for key in self._near(wanted) if keys is None or key in keys)
        buffer, starts = self._buffer, self._starts
        longest = max(wanted, key=len)  # the rarest, as a rule
        others = [word for word in wanted if word is not longest]
        at = buffer.find(longest)
        while at >= 0:
            place = bisect_right(starts, at) - 1
            start, end = starts[place], starts[place + 1]
            key = self._buffer_keys[place]
            is_here = key not in self._beside and all(buffer.find(word, start, end) >= 0 for word in others)
            if is_here and (keys is None or key in keys):
                yield key
            at = buffer.find(longest, end)
