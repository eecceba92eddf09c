"""Running a mirror server on uvicorn, as the journal's server is run."""

from __future__ import annotations

import logging
import logging.config
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from rainer.api.encryption import TlsOptions
from rainer.api.mirror_app import create_mirror_app
from rainer.api.reachable import check_guarded
from rainer.api.serve import Server, bind, listen, log_settings, open_more_files, server_config, url_of
from rainer.service.mirror_service import MirrorOptions
from rainer.service.mirrored import Upstream

log = logging.getLogger("rainer.serve")


@dataclass(frozen=True, slots=True)
class MirrorServeOptions:
    """What to mirror, and where and how to serve it."""

    upstream: Upstream
    host: str = "127.0.0.1"
    port: int = 8080
    log_format: str = "text"
    log_level: str = "info"
    tls: TlsOptions | None = None
    connections_max: int = 0
    mirrors: MirrorOptions = field(default_factory=MirrorOptions)


def run(options: MirrorServeOptions, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, whether what is mirrored answers or not; then save the snapshots and return.

    `on_ready(url)` is called when the port is ours. UnavailableError where it is not to be had.
    """
    open_more_files()
    tls = options.tls
    if tls is not None:
        tls.context()
    with bind(options.host, options.port) as sock:
        check_guarded(sock, options.mirrors.access.is_on, "rainer mirror")
        logging.config.dictConfig(log_settings(options.log_format, options.log_level))
        listen(sock)
        if on_ready is not None:
            on_ready(url_of(sock, tls is not None))
        if options.log_format == "json":
            log.info("serving %s, a mirror of %s", url_of(sock, tls is not None), options.upstream.describe())
        make = partial(create_mirror_app, options.upstream, options.mirrors)
        timeout_s, most = options.mirrors.body_timeout_s, options.connections_max
        Server(server_config(make, timeout_s, options.log_format, options.log_level, tls, most)).run([sock])
