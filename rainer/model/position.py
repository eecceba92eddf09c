"""Position: where in which life of a journal something was read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rainer.errors import InvalidError
from rainer.model.names import shorten

_TEXT = re.compile(r"(?P<lineage>[0-9a-f-]{36}):(?P<revision>0|[1-9][0-9]{0,18}):(?P<chain>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Position:
    """(lineage, revision, chain): equal positions mean equal history, also across a restored backup.

    `chain` is the 32-byte hash of the commit at `revision`, 32 zero bytes at revision 0.
    """

    lineage: str
    revision: int
    chain: bytes

    def __str__(self) -> str:
        return f"{self.lineage}:{self.revision}:{self.chain.hex()}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read `LINEAGE:REVISION:CHAIN` as printed by `rainer status` and `rainer verify`; else InvalidError."""
        m = _TEXT.fullmatch(text.strip())
        if not m:
            raise InvalidError(
                f"position {shorten(text)} is not LINEAGE:REVISION:CHAIN",
                hint="copy the line that `rainer verify` printed",
            )
        return cls(m["lineage"], int(m["revision"]), bytes.fromhex(m["chain"]))
