"""Manifests kept beside the cache, so that a program that starts while everything is down has the last one."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping

from rainer.cache import AssetCache
from rainer.errors import RainerError
from rainer.mirror import heads
from rainer.mirror.snapshot import SnapshotFile
from rainer.model import times
from rainer.model.commit import Commit

log = logging.getLogger("rainer.assets")

FOLDER = "manifests"
"""The folder in a cache's directory; a file for each manifest (and choice of its paths), and the one before."""


class Remembered:
    """The commits of one manifest in a file of a mirror's snapshot's form: checksummed, and written whole or not at
    all. `label` tells manifests apart: equal labels share the file, in a cache for a group
    those of each user. A read-only cache is only read. What goes wrong is told in the log, and no more.
    """

    def __init__(self, cache: AssetCache, namespace: str, label: str) -> None:
        name = hashlib.sha256(label.encode()).hexdigest()[:32]
        if cache.is_shared:
            name += f".{os.getuid()}"
        self._file = SnapshotFile(cache.directory / FOLDER / name, namespace)
        self._label = label
        self._is_read_only, self._is_shared = cache.is_read_only, cache.is_shared
        self._is_told = False

    def save(self, commits: Mapping[str, Commit]) -> None:
        """Remember these in place of what was there."""
        if self._is_read_only or not commits:
            return
        try:
            if self._is_shared:
                self._make_shared_folder()
            self._file.save(commits, None, times.now_ms())
            self._is_told = False
        except OSError as e:
            # Tried again with the next one: a disk that was full once is no reason to remember an old one for ever.
            if not self._is_told:
                log.warning("manifest %s cannot be remembered in %s: %s", self._label, self._file.path, e.strerror)
            self._is_told = True

    def _make_shared_folder(self) -> None:
        folder = self._file.path.parent
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o2775)

    def load(self) -> dict[str, Commit] | None:
        """What was saved last; None where there is nothing that is whole."""
        found = self._file.load()
        if found is None:
            return None
        commits: dict[str, Commit] = {}
        try:
            for head in found.records:
                version, removed = heads.check(head)
                if not removed:
                    record = (head.data, version, head.revision)
                    commits[head.key] = heads.read(head.key, record, found.namespace)
        except RainerError as e:
            log.warning("what %s holds cannot be used: %s", self._file.path, e)
            return None
        return commits
