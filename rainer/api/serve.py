"""Running the app on uvicorn: sockets, workers, patience with slow clients, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import logging.config
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn

from rainer.access.shared_times import SharedTimes
from rainer.access.tokens import can_sign_in
from rainer.api.app import RainerApp, create_app
from rainer.api.encryption import EncryptedConfig, TlsOptions
from rainer.api.protocol import PatientProtocol
from rainer.api.reachable import check_guarded
from rainer.api.workers import Workers, end_signals
from rainer.errors import InvalidError, RainerError, UnavailableError
from rainer.journal import Journal, JournalOptions
from rainer.service import ServiceOptions
from rainer.service.log_lines import hide_secret
from rainer.settings import share_figures_in

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

log = logging.getLogger("rainer.serve")

_BACKLOG: Final = 4096
_FILES: Final = 65_536
_SHUTDOWN_TIMEOUT_S: Final = 30
_FILES_OF_OURS: Final = 256
"""Of the files that a process may open, those that connections leave for the database, the store and ZooKeeper."""
_HEADERS: Final = [
    # What was committed is never to be taken for a page of this server's, nor shown within one of others'.
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),  # a path may hold a token
]
_NOBODY: Final = (
    "nobody can sign in: set RAINER_BOOTSTRAP_TOKEN, or `rainer token create NAME --database URL` and, if there is no"
    " policy, `rainer policy init --admin NAME --database URL`"
)
_RATES: Final = "rates"
_ENCRYPTED_ONLY: Final = ("Strict-Transport-Security", "max-age=31536000")


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where and how to serve; must survive pickling, for each worker makes its app from it."""

    database: str
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    log_format: str = "text"
    log_level: str = "info"
    tls: TlsOptions | None = None
    connections_max: int = 0
    """Of each worker; 0: as many as it may open files for."""
    journal: JournalOptions = field(default_factory=JournalOptions)
    service: ServiceOptions = field(default_factory=ServiceOptions)


class Server(uvicorn.Server):
    """A server that ends with exit status 0 when asked to, and lets its waiting feeds go first."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        loop, app = self._loop, self._find_app()
        if loop is not None and app is not None:
            loop.call_soon_threadsafe(app.service.begin_shutdown)

    _loop: asyncio.AbstractEventLoop | None = None

    def _find_app(self) -> Any:
        """Ours, of a journal or of mirrors, below what uvicorn put around it."""
        app = getattr(self.config, "loaded_app", None)
        while app is not None and not hasattr(app, "service"):
            app = getattr(app, "app", None)
        return app

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        self._loop = asyncio.get_running_loop()
        before = {sig: signal.signal(sig, self.handle_exit) for sig in end_signals()}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, so that a port in use is found before anything else; port 0 picks a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OverflowError:
        sock.close()
        raise InvalidError(f"port {port} is not from 0 to 65535") from None
    except OSError as e:
        sock.close()
        raise _taken(host, port, e) from e
    return sock


def listen(sock: socket.socket) -> None:
    """Take connections; only now, when the database is ready."""
    try:
        sock.listen(_BACKLOG)
    except OSError as e:  # another server bound the same port at the same moment, and was quicker
        host, port = sock.getsockname()[:2]
        raise _taken(host, port, e) from e


def _taken(host: str, port: int, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"cannot listen on {host}:{port}: {error.strerror}", hint="choose another with --host and --port"
    )


def url_of(sock: socket.socket, is_tls: bool = False) -> str:
    """The URL of a bound socket."""
    host, port = sock.getsockname()[:2]
    scheme = "https" if is_tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def run(options: ServeOptions, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted and return.

    `on_ready(url)` is called once the database is ready and the port is ours. Settings of the database under which a
    commit could be lost are logged. Raises UnavailableError (port or database), SchemaMismatch, InvalidError.
    """
    open_more_files()
    if options.service.store is not None:
        options.service.store.open().close()  # a URL that names no store is found before anything else
    tls = options.tls
    if tls is not None:
        tls.context()
    with bind(options.host, options.port) as sock, contextlib.ExitStack() as stack:
        check_guarded(sock, options.service.access.is_on, "rainer serve")
        with Journal(options.database, options=options.journal) as journal:
            faults = journal.durability_faults()
            nobody = options.service.access.is_on and not can_sign_in(journal.engine, options.service.access)
            if options.workers > 1 and journal.dialect == "memory":
                raise InvalidError("a journal in memory cannot be shared by several workers", hint="--workers 1")
        hide_secret(options.service.access.bootstrap_token)
        logging.config.dictConfig(log_settings(options.log_format, options.log_level))
        for fault in faults:
            log.warning("an acknowledged commit could be lost: %s", fault)
        if nobody:
            log.warning(_NOBODY)
        listen(sock)
        if on_ready is not None:
            on_ready(url_of(sock, tls is not None))
        if options.log_format == "json":  # people are told by `on_ready`
            log.info("serving %s from %s", url_of(sock, tls is not None), journal.address)
        if options.workers == 1:
            _serve(options, None, sock)
        else:
            figures = stack.enter_context(tempfile.TemporaryDirectory(prefix="rainer-figures-"))
            SharedTimes.make(Path(figures) / _RATES)
            Workers(partial(_serve, options, figures), sock, options.workers, Path(figures)).run()


def open_more_files() -> None:
    """Take as many files as we may: a login's usual 1,024 are fewer than the connections that a server keeps open."""
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _serve(options: ServeOptions, directory: str | None, sock: socket.socket) -> None:
    """Serve a listening socket in this process."""
    hide_secret(options.service.access.bootstrap_token)
    try:
        Server(_config(options, directory)).run([sock])
    except RainerError as e:
        if directory is None:
            raise
        log.error("a worker cannot start: %s", e)  # its parent tries again
        sys.exit(1)


def _config(options: ServeOptions, directory: str | None) -> uvicorn.Config:
    make = partial(_make_app, options, directory)
    timeout_s = options.service.body_timeout_s
    return server_config(
        make, timeout_s, options.log_format, options.log_level, options.tls, options.connections_max
    )  # fmt: skip


def _room_for_connections() -> int:
    """How many connections a process has files for; 0, no bound, where nobody says."""
    if resource is not None:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if files != resource.RLIM_INFINITY:
            return max(files - _FILES_OF_OURS, files // 2)
    return 0


def server_config(
    make_app: Callable[[], Any], body_timeout_s: float, log_format: str, log_level: str, tls: TlsOptions | None = None,
    connections_max: int = 0,
) -> uvicorn.Config:  # fmt: skip
    """How uvicorn runs one of our apps, which it makes itself."""
    patience = {"timeout_s": body_timeout_s, "connections_max": connections_max or _room_for_connections()}
    return EncryptedConfig(
        make_app,
        tls=tls,
        factory=True,
        loop="auto",
        http=partial(PatientProtocol, **patience),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=log_settings(log_format, log_level),
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT_S,
        headers=_HEADERS if tls is None else [*_HEADERS, _ENCRYPTED_ONLY],
    )


def _make_app(options: ServeOptions, directory: str | None) -> RainerApp:
    """One worker's app, with a journal of its own."""
    if directory is not None:
        share_figures_in(directory)
    journal = Journal(options.database, options=options.journal)
    access = options.service.access
    if directory is not None:
        access = replace(access, rates_file=Path(directory) / _RATES)
    _spare_the_collector()
    service = replace(
        options.service, access=access, log_format=options.log_format, metrics_directory=directory,
        workers=options.workers, owns_journal=True,
    )  # fmt: skip
    return create_app(journal, service)


def _spare_the_collector() -> None:
    """Keep the garbage collector from walking every remembered head again and again (at 64 clients: 8 %, and 40 ms)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def log_settings(form: str, level: str) -> dict[str, Any]:
    """Logging of a server: commits bare on stderr, everything else with time and level, or all as JSON lines."""
    formatter = "rainer.service.log_lines.JsonLines" if form == "json" else "rainer.service.log_lines.TextLines"
    bare = "rainer.service.log_lines.BareLines"
    handler = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "lines"}
    quiet = "WARNING" if level.upper() in ("INFO", "WARNING", "ERROR") else level.upper()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": formatter}, "bare": {"()": bare}},
        "handlers": {"lines": handler, "bare": handler | {"formatter": "bare"}},
        "loggers": {
            "rainer": {"handlers": ["lines"], "level": level.upper(), "propagate": False},
            "rainer.commits": {"handlers": ["bare"], "level": level.upper(), "propagate": False},
            "uvicorn": {"handlers": ["lines"], "level": quiet, "propagate": False},
        },
    }
