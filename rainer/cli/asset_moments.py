"""Manifests as of past moments, and what moved between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from rainer.cli.asset_lines import entry_record, size_words
from rainer.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from rainer.cli.asset_lines import Cell
    from rainer.client import Client
    from rainer.model.commit import Commit
    from rainer.model.manifest import Entry

Change = Literal["added", "changed", "removed"]
_SIGNS: Final[dict[Change, str]] = {"added": "+", "changed": "~", "removed": "-"}
_STYLES: Final[dict[Change, str]] = {"added": "added", "changed": "version", "removed": "removed"}


@dataclass(frozen=True, slots=True)
class Moment:
    """A manifest as it stood once; `name` says when, for people."""

    name: str
    manifest: Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Moved:
    """A path that two moments do not agree on."""

    path: str
    old: Entry | None
    new: Entry | None

    @property
    def change(self) -> Change:
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"


def moved_between(old: Mapping[str, Entry], new: Mapping[str, Entry]) -> list[Moved]:
    """The paths that moved, sorted. A digest that only one of the two tells is no move by itself."""
    found = [Moved(path, old.get(path), new.get(path)) for path in sorted({*old, *new})]
    return [one for one in found if one.old is None or one.new is None or _differ(one.old, one.new)]


def _differ(old: Entry, new: Entry) -> bool:
    if (old.version, old.override) != (new.version, new.override):
        return True
    return None not in (old.sha256, new.sha256) and old.sha256 != new.sha256


def cells(moved: Moved, *, for_people: bool) -> list[Cell]:
    """The row of a path: what became of it, old and new version, new size."""
    style = _STYLES[moved.change]
    size = None if moved.new is None else moved.new.size
    if not for_people:
        return [
            (moved.change, ""), (moved.path, ""), (_version(moved.old), ""), (_version(moved.new), ""),
            ("" if size is None else str(size), ""),
        ]  # fmt: skip
    arrow = "→" if moved.change == "changed" else ""
    return [
        (_SIGNS[moved.change], style), (moved.path, "key"), (_version(moved.old), "removed"), (arrow, "quiet"),
        (_version(moved.new), "added"), (_size_change(moved), "quiet"),
    ]  # fmt: skip


def _version(entry: Entry | None) -> str:
    return "" if entry is None else entry.override or entry.version or ""


def _size_change(moved: Moved) -> str:
    sizes = [size_words(entry.size) for entry in (moved.old, moved.new) if entry is not None and not entry.override]
    known = [size for size in sizes if size]
    return known[-1] if len(set(known)) < 2 else " → ".join(known)


def record(moved: Moved) -> dict[str, Any]:
    """The same for scripts."""
    old, new = (
        None if entry is None else {k: v for k, v in entry_record(moved.path, entry).items() if k != "path"}
        for entry in (moved.old, moved.new)
    )
    return {"path": moved.path, "change": moved.change, "old": old, "new": new}


# Which moments


def two_moments(client: Client, key: str, old: str | None, new: str | None) -> tuple[Moment, Moment]:
    """The moments that two words mean; by default the newest commit, and the one before it."""
    if old is None:
        newest = _newest(client, key)
        return at_revision(client, key, _begin(newest) - 1), at_revision(client, key, _revision(newest[0]))
    return _moment(client, key, old), now(client, key) if new is None else _moment(client, key, new)


def now(client: Client, key: str) -> Moment:
    """The manifest as it stands."""
    from rainer.assets.stored import read_manifest

    found = read_manifest(client, key)
    if found.revision is None:
        raise _nothing(client, key)
    return Moment(f"{key}, revision {found.revision}", found.stored.manifest)


def _moment(client: Client, key: str, word: str) -> Moment:
    if word.isascii() and word.isdigit():
        return at_revision(client, key, int(word))
    if word[:1] in "vV" and word[1:].isascii() and word[1:].isdigit():
        return at_revision(client, key, _revision(client.get(key, int(word[1:]))))
    if Path(word).exists() or "/" in word or "." in word:
        return Moment(word, in_file(Path(word)))
    raise InvalidError(
        f"{word!r} names no state of a manifest",
        hint=f"give a revision, such as 17; a version of {key}, such as v3; or a lock file",
    )


def in_file(path: Path) -> Mapping[str, Entry]:
    """What a lock file or a manifest file names."""
    from rainer.assets.sources_files import file_source

    return file_source(path).current().manifest


def at_revision(client: Client, key: str, revision: int) -> Moment:
    """The manifest as of a revision of the journal; before its first commit it names nothing."""
    from rainer.assets.sources import state_of
    from rainer.model.manifest_parts import part_key, parts_named

    name = f"{key}, revision {revision}"
    head = client.heads(prefix=key, payloads=False, at=revision).get(key) if revision > 0 else None
    if head is None:
        return Moment(name, {})
    head = client.get(key, head.version)
    commits = {key: head}
    if parts_named(head.payload or b""):
        commits |= client.heads(prefix=part_key(key, 0)[:-2], at=revision)
    return Moment(name, state_of(key, head.namespace, commits, None).manifest)


def _newest(client: Client, key: str) -> list[Commit]:
    """The commits that the manifest is made of, newest first."""
    from rainer.model.manifest_parts import manifest_of_part

    heads = client.heads(prefix=key, include_empty=True, payloads=False).values()
    ours = [commit for commit in heads if key in (commit.key, manifest_of_part(commit.key))]
    if not ours:
        raise _nothing(client, key)
    return sorted(ours, key=_revision, reverse=True)


def _begin(commits: list[Commit]) -> int:
    """The revision at which the newest changeset of these commits began: parts change together, side by side."""
    begin = commits[0]
    for commit in commits[1:]:
        together = (commit.author, commit.comment, commit.mtime) == (begin.author, begin.comment, begin.mtime)
        if not together or _revision(commit) != _revision(begin) - 1:
            break
        begin = commit
    return _revision(begin)


def _revision(commit: Commit) -> int:
    if commit.revision is None:
        raise InvalidError("this server tells no revisions", hint="compare two lock files")
    return commit.revision


def _nothing(client: Client, key: str) -> NotFoundError:
    from rainer.assets.sources import no_manifest

    return no_manifest(key, client.namespace_name)
