"""What the commands on assets and the cache work with: flags, the opened assets, publisher and cache, told warnings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click
from click.shell_completion import CompletionItem

from rainer.cli.invocation import Invocation
from rainer.cli.options import author_flag, settings_flags
from rainer.cli.terminal import standard_error
from rainer.errors import InvalidError, ObjectNotFound, RainerError, WrongDigest

if TYPE_CHECKING:
    from rainer.assets import Assets
    from rainer.assets.publishing import AssetPublisher
    from rainer.cache import AssetCache
    from rainer.store.store import Store

F = TypeVar("F", bound=Callable[..., Any])

_COMPLETIONS_MAX = 200
_COMPLETION_TIMEOUT_S = 2.0

_manifest_flags = settings_flags("url", "manifest")
_store_flags = settings_flags("store", "store_credentials", "store_timeout_s")
_cache_flags = settings_flags("cache_dir", "offline", "cache_read_only")
_rare_cache_flags = settings_flags(
    "cache_bytes_max", "cache_timeout_s", "cache_immutable", "cache_shared", hidden=True
)  # fmt: skip

lock_option = click.option(
    "--lock", metavar="FILE", type=click.Path(path_type=Path), help="Read this lock or manifest file, not the server."
)  # fmt: skip


def _complete_paths(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Paths of the manifest that begin so; none when it does not come quickly, for a shell cannot show an error."""
    try:
        invocation = ctx.find_object(Invocation) or Invocation()
        invocation.flags = {"timeout_s": _COMPLETION_TIMEOUT_S} | invocation.flags
        with opened_assets(invocation) as (assets, _):
            found = (path for path in assets.manifest if path.startswith(f"/{incomplete.lstrip('/')}"))
            return [CompletionItem(path) for path in islice(found, _COMPLETIONS_MAX)]
    except RainerError:
        return []


path_argument = click.argument("path", shell_complete=_complete_paths)


def read_flags(command: F) -> F:
    """The options of a command that reads assets, from the server or a lock file."""
    return lock_option(_manifest_flags(_store_flags(_cache_flags(_rare_cache_flags(command)))))


def publish_flags(command: F) -> F:
    """The options of a command that publishes."""
    return author_flag(_manifest_flags(_store_flags(_cache_flags(_rare_cache_flags(command)))))


def store_flags(command: F) -> F:
    """The options of a command on a manifest and a store, without the cache."""
    return _manifest_flags(_store_flags(command))


def cache_flags(command: F) -> F:
    """The options of a command on the cache itself."""
    return settings_flags("cache_dir", "cache_bytes_max", "cache_read_only", "cache_shared")(command)


def fetching_cache_flags(command: F) -> F:
    """The same, of a command that may ask stores."""
    chosen = settings_flags("cache_timeout_s", "cache_immutable", "offline")
    return cache_flags(chosen(settings_flags("store_credentials", "store_timeout_s")(command)))


class _Told(logging.Handler):
    """Says what the library warns of to whoever runs the command, once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._said:
            self._said.add(text)
            # While a progress bar is shown, stderr is what puts lines above it.
            standard_error().line(("warning: ", "warning"), text)


@contextmanager
def told_aloud() -> Iterator[None]:
    """Have overrides, stale files and whatever else the library logs as a warning appear on stderr."""
    logger, handler = logging.getLogger("rainer"), _Told()
    logger.addHandler(handler)
    propagates, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.propagate = propagates
        logger.removeHandler(handler)


@contextmanager
def opened_cache(run: Invocation) -> Iterator[AssetCache]:
    """The cache that is set, with the stores that it asks."""
    from rainer.assets import configured

    with told_aloud(), configured.cache(run.settings) as cache:
        if cache.directory.exists() and not cache.directory.is_dir():
            raise InvalidError(
                f"the cache {cache.directory} is no folder",
                hint="name another (RAINER_CACHE_DIR, cache_dir)",
            )
        try:
            yield cache
        finally:
            cache.stores.close()


@contextmanager
def opened_assets(run: Invocation, lock: Path | None = None) -> Iterator[tuple[Assets, AssetCache]]:
    """The assets of the manifest that is set, or of a lock file, and the cache that they are fetched into."""
    from rainer.assets import configured

    with (
        opened_cache(run) as cache,
        configured.assets(run.settings, lock or run.client, cache_used=cache) as assets,
        _next_steps(),
    ):
        yield assets, cache


@contextmanager
def _next_steps() -> Iterator[None]:
    """Say what to do where the store does not hold what the manifest promises."""
    try:
        yield
    except ObjectNotFound as e:
        e.hint = "is it the right --store? `rainer asset ls-remote` lists what it holds, with all versions"
        raise
    except WrongDigest as e:
        e.hint = "; ".join(filter(None, [e.hint, "put the right bytes back, or publish them as a new version"]))
        raise


@contextmanager
def opened_store(run: Invocation) -> Iterator[Store]:
    """The store of the assets."""
    from rainer.assets import configured

    with told_aloud(), closing(configured.store(run.settings)) as store:
        yield store


@contextmanager
def opened_publisher(run: Invocation, *, short: bool = False) -> Iterator[tuple[AssetPublisher, AssetCache]]:
    """What publishes into the manifest that is set; what it publishes enters the cache, if that may be written."""
    from rainer.assets.publishing import AssetPublisher

    author = run.author  # whoever has no name hears of it before anything is opened
    with ExitStack() as stack:
        cache = stack.enter_context(opened_cache(run))
        store = stack.enter_context(opened_store(run))
        form: Literal["full", "short"] = "short" if short else "full"
        kept = None if run.settings.cache_read_only else cache
        yield AssetPublisher(run.client, run.settings.manifest, store, kept, author=author, form=form), cache
