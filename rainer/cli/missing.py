"""Commands that need the server's libraries say how to install them, instead of failing at an import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rainer.errors import MissingExtra


@contextmanager
def needs_server() -> Iterator[None]:
    """Turn a failed import of somebody else's module into the pip command that provides it."""
    try:
        yield
    except ModuleNotFoundError as e:
        missing = e.name or "a module"
        if missing.split(".")[0] == "rainer":
            raise
        raise MissingExtra(
            f"this command needs the server's libraries, and {missing} is not installed",
            hint="pip install 'rainer[server]'   (or rainer[server,postgresql], rainer[server,mysql])",
        ) from None
