"""`rainer publish`: a publisher without a server."""

from __future__ import annotations

import logging.config
import signal
import threading

import click

from rainer.cli.invocation import Invocation
from rainer.cli.missing import need_journal, needs_server
from rainer.cli.options import database_flags, settings_flags
from rainer.cli.zookeeper import ZOOKEEPER_SETTINGS, zookeeper_options


@click.command("publish", short_help="Publish to ZooKeeper, without a server.")
@click.option("--adopt", is_flag=True, help="Make trees of another lineage this journal's.")
@settings_flags(*ZOOKEEPER_SETTINGS)
@database_flags
@settings_flags("log_format", "log_level")
@click.pass_obj
def command(run: Invocation, adopt: bool) -> None:
    """Publish the journal to ZooKeeper, as `rainer serve --zookeeper` does, beside servers or without any.

    It reads the database itself. A tree that was published from another journal, or from this one before it was
    restored, is left alone until --adopt says that this journal is right. SIGTERM or ^C ends it when all is published.
    """
    options = zookeeper_options(run.settings)
    with needs_server():
        from rainer.api.serve import log_settings
        from rainer.api.workers import end_signals
        from rainer.journal import Journal
        from rainer.publish import Publisher
    need_journal(run)
    logging.config.dictConfig(log_settings(run.settings.log_format, run.settings.log_level))
    ended = threading.Event()
    with Journal(run.settings.database) as journal:
        publisher = Publisher(journal, options, run.settings.zookeeper_path, adopt=adopt)
        for number in end_signals():
            signal.signal(number, lambda *_: ended.set())
        with publisher:
            run.talk.line(("Rainer publishes ", "good"), (journal.address, "key"), f" to {options.hosts}")
            run.talk.stream.flush()
            ended.wait()
