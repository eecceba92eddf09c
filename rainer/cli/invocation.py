"""One run of the command line: its flags, settings, client and where its words go."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rainer import settings
from rainer.cli.terminal import Output, standard_error, standard_output

if TYPE_CHECKING:
    import requests

    from rainer.cli.waiting import Share
    from rainer.client import Client
    from rainer.settings import Settings


def _make_client(values: Settings) -> Client:
    from rainer.client import Client

    return Client(
        values.url,
        token=values.token,
        timeout_s=values.timeout_s,
        connect_timeout_s=values.connect_timeout_s,
        session=own_sessions(values),
    )


def own_sessions(values: Settings) -> Callable[[], requests.Session] | None:
    """What makes sessions with the certificates that are set; None where none are."""
    from rainer.client.transport import tls_sessions

    return tls_sessions(values.tls_ca, values.client_certificate, values.client_key)


class Invocation:
    """What the commands share; each part is made when a command first needs it.

    `flags` holds the values of flags by setting name, those of the command over those of `rainer` itself; `share` is
    how many mirrors a commit waits for, and for how long; `force` and `dry_run` how its commits are meant.
    """

    def __init__(self, make_client: Callable[[Settings], Client] = _make_client) -> None:
        self.flags: dict[str, object] = {}
        self.share: Share | None = None
        self.share_timeout_s: float | None = None
        self.force = False
        self.dry_run = False
        self._make_client = make_client

    @cached_property
    def settings(self) -> Settings:
        return settings.load(self.flags)

    @cached_property
    def client(self) -> Client:
        return self._make_client(self.settings)

    @cached_property
    def author(self) -> str:
        """Who makes the commits of this run: whom the server takes us for, unless it takes us for nobody."""
        from rainer.cli.author import default_author
        from rainer.model.names import check_author

        if self.settings.author:
            return check_author(self.settings.author)
        return self.client.own_name() or default_author()[0]

    @property
    def wish(self) -> dict[str, Any]:
        """How commits are meant, as the client takes it; nothing where they are meant as they stand."""
        return {name: True for name in ("force", "dry_run") if getattr(self, name)}

    @cached_property
    def out(self) -> Output:
        """Data: stdout."""
        return standard_output()

    @cached_property
    def talk(self) -> Output:
        """What is said to a person: stderr."""
        return standard_error()

    def close(self) -> None:
        """Close the client's connections, if it was used."""
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()
