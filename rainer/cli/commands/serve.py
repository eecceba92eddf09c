"""`rainer serve`: a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rainer.cli.identity import access_options, tls_options
from rainer.cli.invocation import Invocation
from rainer.cli.missing import needs_server
from rainer.cli.options import part_flags
from rainer.cli.zookeeper import zookeeper_options
from rainer.model.names import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from rainer.api.serve import ServeOptions


@click.command("serve", short_help="A server of your own.")
@part_flags("server")
@click.pass_obj
def command(run: Invocation) -> None:
    """Serve a journal over HTTP; by default one on SQLite, made if it is not there yet.

    SIGTERM or ^C ends it when what it has accepted is done.
    """
    with needs_server():
        from rainer.api import serve
    serve.run(_options(run), on_ready=lambda url: _say_ready(run, url))


def _options(run: Invocation) -> ServeOptions:
    from rainer.access.hosts import local_hosts
    from rainer.api.serve import ServeOptions
    from rainer.journal import JournalOptions
    from rainer.service import PagesOptions, PublishOptions, ServiceOptions, StoreOptions

    values = run.settings
    publishing = PublishOptions(zookeeper_options(values), values.zookeeper_path) if values.zookeeper else None
    store = StoreOptions(values.store_contents, values.store_file_bytes_max, values.data_dir / "store" / "tmp")
    access, tls = access_options(values), tls_options(values)
    pages = PagesOptions.of(values.pages_secret, values.pages_memory_bytes, tls is not None) if values.pages else None
    return ServeOptions(
        database=values.database,
        host=values.host,
        port=values.port,
        workers=values.workers,
        log_format=values.log_format,
        log_level=values.log_level,
        tls=tls,
        connections_max=values.connections_max,
        journal=JournalOptions(values.queue_items_max, values.queue_bytes_max, values.head_memory_bytes),
        service=ServiceOptions(
            body_timeout_s=values.body_timeout_s,
            publishing=publishing,
            store=store,
            access=access,
            pages=pages,
            hosts=local_hosts(values.hosts, not access.is_on),
        ),
    )


def _say_ready(run: Invocation, url: str) -> None:
    """What a person needs next; in a service manager's log it is one message among others."""
    if run.settings.log_format == "json":
        return  # programs read along, and are told by a line of the log
    talk = run.talk
    base = f"{url}/{DEFAULT_NAMESPACE}"
    flag = "" if base == run.settings.url else f" --url {base}"
    talk.line(("Rainer serves ", "good"), (base, "key"))
    talk.line("Next, in another terminal:")
    for words in ("edit hello.json", "log hello.json", "list"):
        talk.line(f"  rainer{flag} {words}")
    talk.stream.flush()
