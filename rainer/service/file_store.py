"""The server store on an event loop: its work in threads of its own, so that nothing else waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from rainer import limits
from rainer.errors import NotFoundError, OverloadedError, RainerError, UnavailableError
from rainer.journal import Journal
from rainer.server_store.files import GRACE_S, Files
from rainer.server_store.places import Places, open_places
from rainer.server_store.receiving import Expected
from rainer.server_store.rows import StoredFile
from rainer.server_store.terms import Terms
from rainer.service.figures import Figures

log = logging.getLogger("rainer.store")
T = TypeVar("T")
_CARRYING: Final = 8
"""Threads that hash, compress and write."""
_KEEPING: Final = 8
"""Threads that have whole files put into their places: where that is a slow bucket, nobody else waits for it."""
_LOOKING: Final = 2
"""Threads that look names up; they are never busy with contents."""
_SWEEP_S: Final = 600.0
_UNDER_WAY_MAX: Final = 128
"""Large files on their way at once. Each holds about 2 MiB, for as long as its caller is slow."""
_TURN_S: Final = 30.0
SMALL_BYTES: Final = 64 * 1024
"""Files up to this size need not wait for their turn."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Where the contents of the server store lie, a folder or a store's URL, and the largest file it takes, in bytes.

    `spool` is the folder in which files for a store's URL are gathered. Contents that no name has are removed after
    `grace_s`, with a look every `sweep_s`.
    """

    contents: str
    file_bytes_max: int = limits.STORE_FILE_BYTES_MAX
    spool: Path | None = None
    grace_s: float = GRACE_S
    sweep_s: float = _SWEEP_S

    def open(self) -> Places:
        """The places that `contents` names; InvalidUri, MissingExtra."""
        return open_places(self.contents, self.spool)


class FileStore:
    """Belongs to the event loop on which it is first used; without options it refuses every call."""

    def __init__(self, journal: Journal, options: StoreOptions | None, figures: Figures) -> None:
        self.options = options
        self._figures = figures
        self._files = None if options is None else Files(journal.engine, options.open(), options.file_bytes_max)
        self._carrying = ThreadPoolExecutor(_CARRYING, "rainer-store")
        self._keeping = ThreadPoolExecutor(_KEEPING, "rainer-store-keep")
        self._looking = ThreadPoolExecutor(_LOOKING, "rainer-store-names")
        self._sweeper = ThreadPoolExecutor(1, "rainer-store-sweep")
        self._is_over = threading.Event()
        self._turns = asyncio.Semaphore(_UNDER_WAY_MAX)
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def files(self) -> Files:
        """What does the work; NotFoundError where the server has no store."""
        if self._files is None:
            raise NotFoundError("this server keeps no files", hint="`rainer serve` does; see its --store-contents")
        return self._files

    def describe(self) -> dict[str, object] | None:
        """Where contents lie, and the largest file, in bytes."""
        if self._files is None:
            return None
        return {"contents": self._files.places.describe(), "file_bytes_max": self._files.file_bytes_max}

    def start(self) -> None:
        """Begin to sweep on the running loop."""
        if self._files is not None:
            self._sweeping = asyncio.get_running_loop().create_task(self._sweep(), name="rainer-sweep")

    async def close(self) -> None:
        """Finish what is being written and let go of threads and connections."""
        self._is_over.set()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for threads in (self._sweeper, self._carrying, self._keeping, self._looking):
            await asyncio.to_thread(threads.shutdown, wait=True, cancel_futures=True)
        if self._files is not None:
            self._files.close()

    async def look(self, call: Callable[..., T], *arguments: object) -> T:
        """Run a short question to the database in a thread."""
        return await self._run(self._looking, call, *arguments)

    async def carry(self, call: Callable[..., T], *arguments: object) -> T:
        """Run work on contents in a thread."""
        return await self._run(self._carrying, call, *arguments)

    async def keep(self, call: Callable[..., T], *arguments: object) -> T:
        """Run in a thread what waits for the place of contents, or for a lock, however long."""
        return await self._run(self._keeping, call, *arguments)

    async def _run(self, threads: ThreadPoolExecutor, call: Callable[..., T], *arguments: object) -> T:
        try:
            begun = threads.submit(call, *arguments)
        except RuntimeError:
            raise UnavailableError("the server is shutting down", hint="try another server") from None
        return await asyncio.wrap_future(begun)

    @contextlib.asynccontextmanager
    async def turn(self, size: int | None) -> AsyncIterator[None]:
        """Carry so many bytes (None: who knows) when few others do; OverloadedError where that takes long."""
        if size is not None and size <= SMALL_BYTES:
            yield
            return
        try:
            async with asyncio.timeout(_TURN_S):
                await self._turns.acquire()
        except TimeoutError:
            raise OverloadedError(
                f"{_UNDER_WAY_MAX} large files have been on their way for {_TURN_S:g} s, and none has arrived",
                hint="try again, or run more workers",
            ) from None
        try:
            yield
        finally:
            self._turns.release()

    def upload(self, *, is_gzip: bool) -> Upload:
        """A file on its way in, for `with`."""
        return Upload(self, is_gzip)

    def came(self, count: int) -> None:
        """Count bytes of files as they come over the network."""
        self._figures.store_bytes.labels("in").inc(count)

    def went(self, count: int) -> None:
        """Count bytes of files as they go."""
        self._figures.store_bytes.labels("out").inc(count)

    def note(self, what: str, name: str, file: StoredFile, terms: Terms, who: str) -> None:
        """One line for who reads logs: what was asked, of whom, and what the file is now or was."""
        shown = name if name.isprintable() and " " not in name else ascii(name)
        older = ", older than what is there" if file.version_s > terms.version_s else ""
        seal = ", sealed" if file.is_sealed else ""
        log.info("%s %s %dB sha256 %s by %s%s%s", what, shown, file.size, file.sha256.hex()[:12], who, seal, older)

    def end(self, call: Callable[[], None]) -> None:
        """Have something let go of its files in a thread; at the server's end perhaps not any more."""
        with contextlib.suppress(RuntimeError):
            self._carrying.submit(call)

    async def _sweep(self) -> None:
        assert self.options is not None
        pause_s = random.uniform(0, min(5.0, self.options.sweep_s))  # so that workers take turns
        while True:
            await asyncio.sleep(pause_s)
            pause_s = self.options.sweep_s * random.uniform(0.8, 1.2)
            try:
                await self._run(self._sweeper, self._sweep_once, self.options.grace_s)
            except RainerError as e:
                hint = f" ({e.hint})" if e.hint else ""
                log.warning("what no file needs any more could not be removed: %s%s", e.message, hint)
            except Exception:  # the next round may fare better
                log.exception("sweeping failed")

    def _sweep_once(self, grace_s: float) -> None:
        if self.files.are_elsewhere():
            log.error(
                "of the contents that files have, none is in %s: is that mounted, and the same for all servers of this"
                " database? until it is, nothing is removed",
                self.files.places.describe(),
            )
            return
        swept = self.files.sweep(grace_s, self._is_over.is_set)
        if swept.places or swept.temporary:
            log.info("removed %d contents that no file has, and %d half received", swept.places, swept.temporary)
        self._figures.sample_store(*self.files.table.totals())


class Upload:
    """A file on its way in. Its steps are never at once, also where whoever waits for one is cancelled meanwhile."""

    def __init__(self, store: FileStore, is_gzip: bool) -> None:
        self._store = store
        self._receiving = store.files.receive(is_gzip=is_gzip)
        self._turn = threading.Lock()
        self._is_over = False

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.end(self._discard)

    async def write(self, parts: Sequence[bytes]) -> None:
        """Take bytes as they came. Raises what `Receiving.write` does."""
        await self._store.carry(self._write, parts)

    async def keep(self, name: str, expected: Expected, terms: Terms) -> StoredFile:
        """All came: store the file. Raises what `Files.put` does, and WrongDigest, InvalidError."""
        return await self._store.keep(self._keep, name, expected, terms)

    def _write(self, parts: Sequence[bytes]) -> None:
        with self._turn:
            for part in parts if not self._is_over else ():
                self._receiving.write(part)

    def _keep(self, name: str, expected: Expected, terms: Terms) -> StoredFile:
        with self._turn:
            if self._is_over:
                raise UnavailableError("the upload was given up")
            return self._store.files.put(name, self._receiving.finish(expected), terms)

    def _discard(self) -> None:
        with self._turn:
            self._is_over = True
            self._receiving.discard()
