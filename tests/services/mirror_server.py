"""`rainer mirror` as its own process, as a user starts it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services.rainer import RainerServer


class MirrorServer(RainerServer):
    """Mirrors what `follow` names, such as `--url http://…/diary`, at `url`; its snapshots stay over a restart."""

    name = "mirror"

    def __init__(
        self, *follow: str, data_dir: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(data_dir=data_dir, environment=environment)
        self._follow = follow

    def _command(self) -> Sequence[str]:
        return [
            *(sys.executable, "-m", "rainer.cli.main", "mirror"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--data-dir", str(self.data_dir)),
            *self._follow,
        ]
