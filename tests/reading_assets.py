"""For tests of rainer:// by way of fsspec: the file system registered, and closed after the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
from fsspec.registry import known_implementations

from rainer.assets.filesystem import RainerFileSystem, close_all


@contextmanager
def rainer_file_system() -> Iterator[None]:
    """As the entry point makes it known where Rainer is installed; in a mere checkout it is not."""
    if "rainer" not in known_implementations:
        fsspec.register_implementation("rainer", RainerFileSystem, clobber=True)
    try:
        yield
    finally:
        close_all()
