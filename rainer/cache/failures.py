"""What the system says when the cache's folder fails it, as errors that tell what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rainer.errors import CredentialsError, DeniedError, NoSpace, NotCached, RainerError, UnavailableError
from rainer.store.store import shown

if TYPE_CHECKING:
    from logging import Logger

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_FULL_HINT: Final = "make room, or let the cache lie elsewhere (RAINER_CACHE_DIR, cache_dir)"
_DENIED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)


def log() -> Logger:
    """The logger of the cache; to load logging takes longer than a file that comes, and few have anything to say."""
    import logging

    return logging.getLogger("rainer.cache")


@contextmanager
def told(root: Path) -> Iterator[None]:
    """Let no OSError through, and no full disk without saying whose."""
    try:
        yield
    except OSError as e:
        raise translated(e, root) from e
    except NoSpace as e:
        if str(root) in e.message:
            raise
        raise NoSpace(f"{e.message} (the cache {root})", hint=_FULL_HINT, **e.details) from e


def translated(error: OSError, root: Path) -> RainerError:
    """The error of our tree for one of the system."""
    why = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _FULL:
        return NoSpace(
            f"the disk of the cache {root} is full: {why}",
            hint=_FULL_HINT,
        )
    if error.errno in _DENIED:
        return DeniedError(
            f"the cache {root} cannot be written: {why} ({error.filename or root})",
            hint="let this user write to the folder, or name another (RAINER_CACHE_DIR, cache_dir)",
        )
    if error.errno in _DESCRIPTORS:
        return UnavailableError(
            f"no file of the cache {root} can be opened: {why}", hint="raise `ulimit -n`, or close what is not read"
        )
    return UnavailableError(
        f"the cache {root} does not work: {why} ({error.filename or root})", hint="look at its disk"
    )


def not_cached(uri: str, path: str, why: str, hint: str | None) -> NotCached:
    """The error for a file that is not here and does not come; all that a person needs to know is in it."""
    return NotCached(f"{shown(uri)} is not in the cache ({path}), and {why}", hint=hint, uri=uri, path=path)


def not_fetched(uri: str, path: str, cause: RainerError) -> RainerError:
    """What to raise where a store could not be asked: CredentialsError stays one, the rest is NotCached."""
    if isinstance(cause, CredentialsError):
        return CredentialsError(
            f"{shown(uri)} is not in the cache ({path}), and cannot be fetched: {cause.message}",
            hint=cause.hint, **(cause.details | {"uri": uri, "path": path}),
        )  # fmt: skip
    return not_cached(uri, path, f"cannot be fetched: {cause.message}", cause.hint)
