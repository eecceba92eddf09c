"""`rainer mirror`: a read-only server that answers from live mirrors."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from rainer.cli.identity import TLS_SETTINGS, tls_options
from rainer.cli.invocation import Invocation, own_sessions
from rainer.cli.missing import needs_server
from rainer.cli.options import settings_flags, url_flag
from rainer.cli.zookeeper import ZOOKEEPER_SETTINGS, zookeeper_options
from rainer.errors import InvalidError
from rainer.model.names import check_namespace

if TYPE_CHECKING:
    from rainer.api.mirror_serve import MirrorServeOptions
    from rainer.service.mirrored import Upstream


@click.command("mirror", short_help="A read-only server that never goes dark.")
@settings_flags("host", "port", "namespaces")
@url_flag
@settings_flags(*ZOOKEEPER_SETTINGS)
@settings_flags("identity", "token_path", "rate_per_s", "rate_burst", "connections_max", "hosts", *TLS_SETTINGS)
@settings_flags("data_dir", "log_format", "log_level", "body_timeout_s")
@click.pass_obj
def command(run: Invocation) -> None:
    """Serve what a server, or ZooKeeper, holds: read-only, from memory, whatever happens behind it.

    Follows the trees in --zookeeper if that is given, else the server of --url, which may be a mirror server itself.
    Starts from the snapshots in the data directory when nothing behind it answers; X-Rainer-Age says how old an answer
    is, in seconds. A mirror holds what is newest: no history, and nothing of what was removed. On the machine of the
    server it needs another --port. SIGTERM or ^C ends it.

    With --identity it asks who reads from it: the server of --url says whom a token proves, and the policy there, which
    RAINER_TOKEN must be able to read, what he may read.
    """
    with needs_server():
        from rainer.api import mirror_serve
    options = _options(run)
    mirror_serve.run(options, on_ready=lambda url: _say_ready(run, options, url))


def _options(run: Invocation) -> MirrorServeOptions:
    from rainer.access import AccessOptions
    from rainer.access.hosts import local_hosts
    from rainer.api.mirror_serve import MirrorServeOptions
    from rainer.service.mirror_service import MirrorOptions

    values = run.settings
    names = tuple(dict.fromkeys(check_namespace(name) for name in values.namespaces.replace(",", " ").split()))
    if not names:
        raise InvalidError("--namespaces names none", hint="such as --namespaces diary,flags")
    return MirrorServeOptions(
        upstream=_upstream(run),
        host=values.host,
        port=values.port,
        log_format=values.log_format,
        log_level=values.log_level,
        tls=tls_options(values),
        connections_max=values.connections_max,
        mirrors=MirrorOptions(
            names,
            values.data_dir / "mirrors",
            values.body_timeout_s,
            access=AccessOptions(
                values.identity,
                token_path=values.token_path,
                rate_per_s=values.rate_per_s,
                rate_burst=values.rate_burst,
                has_certificates=values.tls_client_ca is not None,
            ),
            hosts=local_hosts(values.hosts, not values.identity),
        ),
    )


def _upstream(run: Invocation) -> Upstream:
    from rainer.client.address import Address
    from rainer.service.upstreams import HttpUpstream, ZooKeeperUpstream

    values = run.settings
    address = Address.parse(values.url).with_token(values.token)
    server = HttpUpstream(address.with_login.rpartition("/")[0], {"session": own_sessions(values)})
    if values.zookeeper:
        options = dataclasses.asdict(zookeeper_options(values))
        # A mirror's own patience is shorter than a publisher's: so long a dead one is still listed.
        timeout_s = {} if values.origins["zookeeper_timeout_s"] == "default" else {"timeout_s": options["timeout_s"]}
        hosts = options.pop("hosts")
        del options["timeout_s"]
        asked = server if values.identity else None
        return ZooKeeperUpstream(hosts, values.zookeeper_path, options | timeout_s, asked)
    return server


def _say_ready(run: Invocation, options: MirrorServeOptions, url: str) -> None:
    if run.settings.log_format == "json":
        return  # programs read along, and are told by a line of the log
    served = ", ".join(f"{url}/{name}" for name in options.mirrors.namespaces)
    run.talk.line(("Rainer mirrors ", "good"), f"{options.upstream.describe()} at ", (served, "key"))
    run.talk.stream.flush()
