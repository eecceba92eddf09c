"""Keeper: heads in ZooKeeper alone, without a journal, by the ancestor's rules."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from rainer.errors import ConflictError, CorruptError, DeniedError, NotFoundError, TooLargeError
from rainer.model import names, serialization, times
from rainer.model.commit import Commit, Draft
from rainer.zk import Create, Delete, Operation, Set, Stat, Tree, ZooKeeper, ZooKeeperOptions

if TYPE_CHECKING:
    from rainer.mirror.mirror import Mirror

log = logging.getLogger("rainer.mirror")

_ATTEMPTS: Final = 20
T = TypeVar("T")


class Keeper:
    """Saves and reads heads at `path`, such as `/rainer/diary`; JVM keepers and mirrors of the ancestor share the tree.

    `hosts` is such as `zk1:2181,zk2:2181`; `options` are those of `ZooKeeperOptions` (user, password, tls …).
    `timeout_s` is how long to wait for a first connection. There is no history: what is saved over is gone.
    A tree that a journal owns is refused with DeniedError. UnavailableError while no ZooKeeper answers; OutcomeUnknown
    where it stopped answering in the middle of a save, which may be repeated. Thread-safe; a context manager.
    """

    def __init__(self, hosts: str, path: str, *, timeout_s: float = 10.0, **options: Any) -> None:
        self._tree = Tree(path)
        self._hosts = hosts
        self._options = options
        self._timeout_s = timeout_s
        self._zk = ZooKeeper(ZooKeeperOptions(hosts, **options))
        self._starting = threading.Lock()
        self._is_started = False

    @property
    def namespace(self) -> str:
        """The namespace of the commits: the last part of the path."""
        return self._tree.namespace

    def save(self, commit: Commit | Draft) -> None:
        """Make a commit its key's head; an empty one removes the key's node.

        A version that is older than the one there, or other content under the same version, is a ConflictError; the
        same content again is done already. Versions may leave gaps. Bytes that nobody can read are replaced.
        InvalidError for a key that ZooKeeper cannot name, TooLargeError for what one node cannot hold.
        """
        names.check_key(commit.key)
        names.check_version(commit.version)
        self._try_again(lambda zk: self._save(zk, _as_commit(commit)))

    def get(self, key: str) -> Commit:
        """The head of a key; NotFoundError where there is none, CorruptError where nobody can read its bytes."""
        zk = self._connected()
        found = self._read(zk, key)
        if found is None:
            raise NotFoundError(f"no key {names.shorten(key)} at {self._tree.root}")
        return self._parse(key, found[0])

    def heads(self) -> dict[str, Commit]:
        """All heads by key. One whose bytes nobody can read is left out, and said in the log."""
        zk = self._connected()
        self._refuse_owned(zk)
        keys = sorted(zk.children(self._tree.data) or [])
        heads = {}
        for key, found in zip(keys, zk.get_many([self._tree.key(key) for key in keys]), strict=True):
            if found is None:
                continue
            try:
                heads[key] = self._parse(key, found[0])
            except CorruptError as e:
                log.warning("%s", e)
        return heads

    def mirror(self, **options: Any) -> Mirror:
        """A live mirror of the same tree, not started yet; `options` are those of `Mirror.zookeeper`."""
        from rainer.mirror.mirror import Mirror

        return Mirror.zookeeper(self._hosts, self._tree.root, **{**self._options, **options})

    def close(self) -> None:
        """End the connection. May be called twice."""
        self._zk.close()

    def __enter__(self) -> Self:
        self._connected()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # How it is done

    def _connected(self) -> ZooKeeper:
        with self._starting:
            if not self._is_started:
                self._zk.start(self._timeout_s)
                self._is_started = True
        return self._zk

    def _try_again(self, attempt: Callable[[ZooKeeper], T]) -> T:
        """Others may write the same key: look again, and judge by what stands there then."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return attempt(self._connected())
            except _Moved:
                continue
        return attempt(self._connected())

    def _refuse_owned(self, zk: ZooKeeper) -> None:
        if zk.exists(self._tree.head) is not None:
            raise self._owned()

    def _owned(self) -> DeniedError:
        return DeniedError(
            f"the tree at {self._tree.root} belongs to a journal, whose publisher would undo what a keeper saves",
            hint="commit through the journal: `rainer commit`, or rainer.Client",
        )

    def _read(self, zk: ZooKeeper, key: str) -> tuple[bytes, Stat] | None:
        head, found = zk.get_many([self._tree.head, self._tree.key(names.check_key(key))])
        if head is not None:
            raise self._owned()
        return found

    def _parse(self, key: str, data: bytes) -> Commit:
        try:
            commit = serialization.from_bytes(data, namespace=self.namespace)
            if commit.key != key:
                raise CorruptError(f"they are of another key, {commit.key!r}")
        except CorruptError as e:
            raise CorruptError(
                f"the bytes at {self._tree.key(key)} are no commit: {e}", hint="save the key to replace them"
            ) from None
        return commit

    def _save(self, zk: ZooKeeper, commit: Commit) -> None:
        found = self._read(zk, commit.key)
        held = self._held(commit.key, found)
        if held is not None:
            _check_follows(commit, held)
            if commit.version == held.version:
                return
        operations = self._operations(commit, None if found is None else found[1])
        if operations is None:
            return
        try:
            zk.write(operations)
        except NotFoundError:
            zk.ensure(self._tree.data)
            raise _Moved("the node or its folder is gone") from None
        except TooLargeError:
            raise TooLargeError(
                f"key {names.shorten(commit.key)}: a payload of {len(commit.payload or b'')} bytes is more than a "
                "ZooKeeper node holds, about 1 MB",
                hint="a journal takes it, and publishes it in pieces",
            ) from None
        except ConflictError:
            raise _Moved(f"{self._tree.key(commit.key)} is written by others all the time") from None

    def _held(self, key: str, found: tuple[bytes, Stat] | None) -> Commit | None:
        if found is None:
            return None
        try:
            return self._parse(key, found[0])
        except CorruptError:
            return None

    def _operations(self, commit: Commit, stat: Stat | None) -> list[Operation] | None:
        path = self._tree.key(commit.key)
        if commit.is_empty:
            return None if stat is None else [Delete(path, stat.version)]
        data = serialization.to_bytes(replace(commit, marks=None))  # the bytes that the original knows
        return [Create(path, data)] if stat is None else [Set(path, data, stat.version)]


class _Moved(ConflictError):
    """The node is not as it was read."""


def _as_commit(commit: Commit | Draft) -> Commit:
    if isinstance(commit, Commit):
        return commit
    mtime = times.from_ms(times.now_ms() if commit.mtime_ms is None else commit.mtime_ms)
    empty = commit.payload is None
    return Commit(commit.key, commit.version, commit.payload, commit.author, commit.comment, mtime, empty)


def _check_follows(commit: Commit, held: Commit) -> None:
    name = names.shorten(commit.key)
    if commit.version < held.version:
        raise ConflictError(
            f"key {name} is at version {held.version}, and version {commit.version} is older",
            hint="read the head, decide again, and save the next version",
        )
    if commit.version == held.version and _content(commit) != _content(held):
        raise ConflictError(
            f"key {name} has other content under version {held.version}",
            hint=f"read the head, decide again, and save version {held.version + 1}",
        )


def _content(commit: Commit) -> tuple[object, ...]:
    # In whole milliseconds: what was written with them and what was not are the same instant.
    return (commit.payload, commit.author, commit.comment, times.to_ms(commit.mtime), commit.is_empty)
