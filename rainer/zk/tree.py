"""Where everything of a namespace lies in ZooKeeper (`data` and `election` as the ancestor has them)."""

from __future__ import annotations

from dataclasses import dataclass

from rainer.errors import InvalidError
from rainer.model import names


@dataclass(frozen=True, slots=True)
class Tree:
    """The paths under one namespace's root, such as `/rainer/diary`."""

    root: str

    def __post_init__(self) -> None:
        if not self.root.startswith("/") or self.root.endswith("/") or "//" in self.root:
            raise InvalidError(
                f"{names.shorten(self.root)} is not the path of a namespace in ZooKeeper", hint="such as /rainer/diary"
            )

    @property
    def namespace(self) -> str:
        return self.root.rsplit("/", 1)[1]

    @property
    def data(self) -> str:
        return f"{self.root}/data"

    @property
    def log(self) -> str:
        return f"{self.root}/log"

    @property
    def head(self) -> str:
        return f"{self.root}/head"

    @property
    def large(self) -> str:
        return f"{self.root}/large"

    @property
    def beat(self) -> str:
        return f"{self.root}/beat"

    @property
    def mirrors(self) -> str:
        return f"{self.root}/mirrors"

    @property
    def election(self) -> str:
        return f"{self.root}/election"

    def key(self, key: str) -> str:
        """The data node of a key."""
        return f"{self.root}/data/{key}"

    def batch(self, n: int) -> str:
        """The log node of batch `n`."""
        return f"{self.root}/log/{n:010d}"

    def large_key(self, key: str) -> str:
        """The node that lists the parts of a key too large for one znode; the parts are its children."""
        return f"{self.root}/large/{key}"
