"""Manifests kept beside the cache, so that a program that starts while everything is down has the last one."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

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
    all. `label` tells manifests apart: equal labels share the file. What goes wrong is told in the log, and no more.
    """

    def __init__(self, directory: Path, namespace: str, label: str) -> None:
        name = hashlib.sha256(label.encode()).hexdigest()[:32]
        self._file = SnapshotFile(directory / FOLDER / name, namespace)
        self._label = label
        self._is_refused = False

    def save(self, commits: Mapping[str, Commit]) -> None:
        """Remember these in place of what was there."""
        if self._is_refused or not commits:
            return
        try:
            self._file.save(commits, None, times.now_ms())
        except OSError as e:
            self._is_refused = True
            log.info("manifest %s cannot be remembered in %s: %s", self._label, self._file.path, e.strerror)

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
