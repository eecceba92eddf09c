"""Importing the table of an original Rainer, history included.

Order. The journal gets the commits by (effective time, name as bytes, version). A commit's effective time is the latest
mtime among its key's versions up to it, so that an mtime that goes backwards never puts a version before its
predecessor. Every commit keeps its own mtime.

Limits do not hold for history. What the journal cannot represent (gaps between versions, broken bytes, names that are
no keys, NUL in a text) is refused together with the later versions of its key; all else is imported.

Resuming. The order follows from the table alone, so an import that was interrupted left a beginning of it in the
journal. Begun again it compares what stands there with the table, by content, and goes on behind it; rows that came
into the table since are imported as well, after what is there. A key whose commits differ is left alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from rainer import limits
from rainer.errors import CorruptError, InvalidError, RainerError, UnavailableError, VersionConflict
from rainer.journal.ancestor_table import AncestorTable, Entry, Stored
from rainer.journal.import_target import ImportTarget, Written
from rainer.journal.journal import Journal
from rainer.model import names, times
from rainer.model.commit import Draft, ImportedDraft
from rainer.model.serialization import from_bytes, from_parts, header_span

# No more than one group of the committer: so it is kept or lost as a whole, and an interruption leaves no holes.
_BATCH: Final = 1_000
_BATCH_BYTES: Final = limits.GROUP_BYTES_MAX

Progress = Callable[[int, int], None]


class Guard(Protocol):
    """What imported commits are held to, beside being possible. One is made for each import."""

    @property
    def tag(self) -> str:
        """The state of the rules that `check` goes by; rules that moved meanwhile end the import."""

    def check(self, draft: Draft, *, is_new: bool) -> None:
        """Hear of a commit in the order of its key; if it is new to the journal, refuse it by an InvalidError."""

    def close(self) -> None:
        """Let go of whatever it holds."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """How many commits were imported, were there already (skipped), and were refused: their sum is the table's rows.

    `refused` has a sentence for the first refused version of each such key, and one more where others follow it.
    """

    imported: int
    skipped: int
    refused: list[str]
    refused_commits: int = 0


def import_table(
    source_url: str,
    table: str,
    journal_url: str,
    *,
    namespace: str = names.DEFAULT_NAMESPACE,
    progress: Progress | None = None,
    guard: Callable[[Journal], Guard] | None = None,
    marks: str | None = None,
) -> ImportReport:
    """Import an original Rainer's table into a namespace of the journal at `journal_url`.

    `progress(done, total)` is called now and then. Memory holds name, version and time of each row, and the bytes of a
    few. Raises RainerErrors when a database, the table, a column or the namespace is missing, the namespace is closed
    or a database stops answering; begun again it goes on where it stopped.

    `guard` makes what the rows are held to, from the journal; with `marks`, which each commit gets, nothing is refused.
    """
    with (
        AncestorTable(source_url, table) as source,
        Journal(journal_url) as journal,
        ImportTarget(journal, namespace) as target,
        contextlib.ExitStack() as stack,
    ):
        refusals = Refusals()
        run = _Import(source, target, refusals)
        if guard is not None and marks is None:
            run.guard = stack.enter_context(contextlib.closing(guard(journal)))
            target.rules = run.guard.tag
        target.marks = marks
        run.through(ordered(source, refusals), progress)
    return ImportReport(run.imported, run.skipped, refusals.sentences(), refusals.commits)


class Refusals:
    """What is not imported: of each such key the first version with the reason, and how many follow it."""

    def __init__(self) -> None:
        self.commits = 0
        self._keys: dict[bytes | str, tuple[int, str]] = {}
        self._later: dict[bytes | str, int] = {}

    def __contains__(self, entry: Entry) -> bool:
        """Whether this row cannot follow because an earlier version of its key, or it, was refused."""
        first = self._keys.get(entry.name)
        return first is not None and first[0] <= entry.version

    def add(self, entry: Entry, why: str) -> None:
        """Refuse a row; `why` is told of the first version of each key."""
        self.commits += 1
        first = self._keys.get(entry.name)
        if first is not None:
            self._later[entry.name] = self._later.get(entry.name, 0) + 1
        if first is None or entry.version < first[0]:
            self._keys[entry.name] = entry.version, why

    def sentences(self) -> list[str]:
        """The refusals in words, in the order in which they were found."""
        found = []
        for name, (version, why) in self._keys.items():
            found.append(f"key {_shown(name)}, version {version}: {why}")
            later = self._later.get(name)
            if later:
                rest = "1 later version is" if later == 1 else f"{later} later versions are"
                found.append(f"key {_shown(name)}: {rest} left out with version {version}")
        return found


def _shown(name: bytes | str) -> str:
    try:
        return repr(name.decode() if isinstance(name, bytes) else name)
    except UnicodeDecodeError:
        return repr(name)


def ordered(source: AncestorTable, refusals: Refusals) -> list[Entry]:
    """The rows in the order of the import, without those that cannot have a place in it."""
    found: list[tuple[int, Entry]] = []
    before: Entry | None = None
    time_ms = times.MIN_MS
    for entry, beginning in source.entries():
        if before is None or entry.name != before.name:
            before, time_ms = Entry(entry.name, 0, 0), times.MIN_MS
        if entry in refusals:
            refusals.add(entry, "")
            continue
        try:
            if names.check_version(entry.version) != before.version + 1:
                raise InvalidError(f"version {before.version + 1} is missing before it")
            time_ms = max(time_ms, _mtime_ms(beginning))
        except RainerError as e:
            refusals.add(entry, str(e))
            continue
        # One object for the name of all its versions: it is most of what the list holds.
        before = entry._replace(name=before.name)
        found.append((time_ms, before))
    found.sort(key=lambda one: (one[0], one[1].name_bytes, one[1].version))
    return [entry for _, entry in found]


def _mtime_ms(beginning: bytes) -> int:
    start, end = header_span(beginning)
    if len(beginning) < end:
        raise CorruptError(f"the commit's bytes end before their header of {end - start} bytes does")
    return times.to_ms(from_parts(beginning[start:end], b"").mtime)


def _batches(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Runs of rows that fit one group of the committer; a larger row is alone."""
    start = size = 0
    for end, entry in enumerate(entries):
        if end > start and (end - start == _BATCH or size + entry.size > _BATCH_BYTES):
            yield entries[start:end]
            start, size = end, 0
        size += entry.size
    if entries:
        yield entries[start:]


def draft_of(entry: Entry, stored: Stored | None, namespace: str) -> ImportedDraft:
    """What a row says, made ready for the journal; an error says what cannot be represented, or contradicts itself."""
    if stored is None:
        raise InvalidError("the row was removed from the table during the import")
    try:
        name = entry.name_bytes.decode()
    except UnicodeDecodeError:
        raise InvalidError("its name is not UTF-8") from None
    commit = from_bytes(stored.data, namespace=namespace)
    if commit.key != name:
        raise InvalidError(f"its header names another key, {names.shorten(commit.key)}")
    if commit.version != entry.version:
        raise InvalidError(f"its header names another version, {commit.version}")
    if stored.is_empty is not None and stored.is_empty != commit.is_empty:
        said, meant = ("empty", "not") if stored.is_empty else ("not empty", "it is")
        raise InvalidError(f"its is_empty says {said}, its header says {meant}")
    return ImportedDraft(
        namespace, name, commit.version, commit.payload, commit.author, commit.comment, times.to_ms(commit.mtime)
    )


class _Import:
    """One run over the ordered rows: while one batch is being committed, the next is read."""

    def __init__(self, source: AncestorTable, target: ImportTarget, refusals: Refusals) -> None:
        self.imported = self.skipped = 0
        self.guard: Guard | None = None
        self._source, self._target, self._refusals = source, target, refusals
        self._in_flight: list[tuple[Entry, ImportedDraft]] = []

    def through(self, order: Sequence[Entry], progress: Progress | None) -> None:
        total = len(order) + self._refusals.commits
        done = self._refusals.commits
        for batch in _batches(order):
            if progress is not None:
                progress(done, total)
            read = self._source.read(batch)
            self._land()
            self._begin(batch, read)
            done += len(batch)
        self._land()
        if progress is not None:
            progress(done, total)

    def _begin(self, batch: Sequence[Entry], read: Sequence[Stored | None]) -> None:
        """Send what of a batch is not in the journal yet."""
        found = []
        for entry, stored in zip(batch, read, strict=True):
            try:
                found.append((entry, draft_of(entry, stored, self._target.namespace)))
            except RainerError as e:
                self._refusals.add(entry, str(e))
        written = self._target.written([draft for _, draft in found])
        for entry, draft in found:
            if entry in self._refusals:
                self._refusals.add(entry, "")
            elif draft.version > written.head(draft):
                self._take(entry, draft)
            else:
                self._heard(draft, is_new=False)
                self._compare(entry, draft, written)
        self._target.begin([draft for _, draft in self._in_flight])

    def _take(self, entry: Entry, draft: ImportedDraft) -> None:
        """Make a commit ready to be sent, unless it breaks a rule."""
        try:
            self._heard(draft, is_new=True)
        except InvalidError as e:
            self._refusals.add(entry, str(e))
        else:
            self._in_flight.append((entry, draft))

    def _heard(self, draft: ImportedDraft, *, is_new: bool) -> None:
        if self.guard is not None:
            self.guard.check(draft, is_new=is_new)

    def _compare(self, entry: Entry, draft: ImportedDraft, written: Written) -> None:
        if written.is_same(draft):
            self.skipped += 1
        else:
            self._refusals.add(entry, "the journal holds another commit of this version")

    def _land(self) -> None:
        """Wait for the batch that was sent, and note what became of it."""
        sent, self._in_flight = self._in_flight, []
        if not sent:
            return
        outcomes = self._target.outcomes()
        # A conflict means that somebody wrote to the key since we looked: perhaps another run of this import.
        others = any(isinstance(error, VersionConflict) for error in outcomes)
        written = self._target.written([draft for _, draft in sent] if others else [])
        for (entry, draft), error in zip(sent, outcomes, strict=True):
            if error is None:
                self.imported += 1
            elif entry in self._refusals:
                self._refusals.add(entry, "")
            elif isinstance(error, VersionConflict) and draft.version > written.head(draft):
                self._in_flight.append((entry, draft))  # not taken only because of versions that are there
            elif isinstance(error, VersionConflict):
                self._compare(entry, draft, written)
            elif isinstance(error, InvalidError) or self._is_too_large(draft, error):
                self._refusals.add(entry, str(error))
            else:
                raise error
        if self._in_flight:
            self._target.begin([draft for _, draft in self._in_flight])
            self._land()

    def _is_too_large(self, draft: ImportedDraft, error: BaseException) -> bool:
        """Whether a database that still answers broke off because of the size of a payload.

        A server that is sent more than it takes at once just closes the connection. No payload that could be committed
        in the usual way is so large.
        """
        is_larger = len(draft.payload or b"") > limits.PAYLOAD_BYTES_CEILING
        return is_larger and isinstance(error, UnavailableError) and self._target.answers()
