"""Where everything is: the addresses of the pages, with every name in them percent-encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

UI = "/-/ui"


def _query(parameters: Mapping[str, Any]) -> str:
    given = {
        name.rstrip("_"): value
        for name, value in parameters.items()
        if value is not None and value != "" and value is not False
    }
    return "?" + urlencode(given) if given else ""


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses below the place where the app is mounted. What says nothing is left out; `from_` is `from`."""

    base: str
    static_hash: str

    def home(self) -> str:
        return f"{self.base}{UI}"

    def namespace(self, namespace: str, **parameters: Any) -> str:
        return f"{self.base}{UI}/{quote(namespace, safe='')}{_query(parameters)}"

    def key(self, namespace: str, key: str, page: str = "", **parameters: Any) -> str:
        """The page of a key: its head, or `history`, `diff`, `blame`, `download` and the like."""
        path = f"{self.base}{UI}/{quote(namespace, safe='')}/{quote(key, safe='')}"
        return f"{path}/{page}{_query(parameters)}" if page else path + _query(parameters)

    def feed(self, namespace: str | None) -> str:
        """The changes of a namespace, or of all."""
        return f"{self.base}/-/changes{_query({'namespace': namespace})}"

    def ours(self, path: str, **parameters: Any) -> str:
        """A page that belongs to no namespace: `proposals`, `status`, `sign-in`."""
        return f"{self.base}{UI}/-/{path}{_query(parameters)}"

    def static(self, name: str) -> str:
        """A file of ours, under a name that changes with its content."""
        return f"{self.base}{UI}/-/static/{self.static_hash}/{name}"
