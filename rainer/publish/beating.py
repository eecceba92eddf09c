"""The publisher's sign of life: `beat`, which says how current the tree is, and who keeps it so."""

from __future__ import annotations

from typing import Final

from rainer.errors import ConflictError, NotFoundError
from rainer.model import times
from rainer.model.published import Beat
from rainer.publish.tree_writer import TreeWriter
from rainer.zk import Create, Set

BEAT_S: Final = 2.0


class Beating:
    """Writes one tree's beat; belongs to the publisher's thread."""

    def __init__(self, writer: TreeWriter, who: str) -> None:
        self._writer, self._who = writer, who
        self._version: int | None = None
        self.due = 0.0

    def begin(self) -> None:
        """Take note of the beat that there is: `beat` with `is_guest` ends when somebody else writes another."""
        stat = self._writer.zk.exists(self._writer.tree.beat)
        self._version, self.due = None if stat is None else stat.version, 0.0

    def beat(self, now: float, revision: int, *, is_guest: bool) -> None:
        """Say that the tree is current with the journal at `revision`, if that is due.

        ConflictError if somebody else has written the head, or, for a guest, the beat.
        """
        if now < self.due:
            return
        writer = self._writer
        path, data = writer.tree.beat, self._message(revision).to_bytes()
        version = -1 if not is_guest or self._version is None else self._version
        try:
            written = writer.zk.write([writer.check(), Set(path, data, version)])
        except NotFoundError as e:
            if e.details.get("path") != path:
                raise ConflictError(str(e)) from e
            writer.zk.write([writer.check(), Create(path, data)])
            self._version = 0
        else:
            stat = written[1].stat
            self._version = None if stat is None else stat.version
        self.due = now + BEAT_S

    def _message(self, revision: int) -> Beat:
        writer = self._writer
        return Beat(
            times.now_ms(), revision, self._who, 0, writer.published, writer.repaired, dict(writer.unpublishable),
            len(writer.nodes.large),
        )  # fmt: skip
