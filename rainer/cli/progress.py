"""A progress bar on stderr, where that is a terminal; else nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rainer.cli.terminal import Output


@contextmanager
def progress_bar(talk: Output, what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A function to call with (done, total) from time to time, or None where nobody would see the bar."""
    if not talk.terminal:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell


@contextmanager
def byte_bar(talk: Output, what: str, total: int | None = None) -> Iterator[Callable[[int], None] | None]:
    """A function to call with every further portion of bytes, or None where nobody would see the bar.

    It may be called from any thread; with a `total` the bar shows what is left and how long that takes.
    """
    if not talk.terminal:
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from rainer.cli.terminal import visible

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(escape(visible(what)), total=total)
        yield lambda count: bar.advance(task, count)
