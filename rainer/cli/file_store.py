"""The file store that `rainer store` works on, and the flags that choose it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rainer.cli.invocation import Invocation
from rainer.cli.options import settings_flags

if TYPE_CHECKING:
    from rainer.store import Client

F = TypeVar("F", bound=Callable[..., Any])


def store_flags(command: F) -> F:
    """The options that say where the store is, and where its local copies."""
    return settings_flags("url", "store_dir")(_store_url_option(command))


def _keep_store(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    invocation = ctx.find_object(Invocation)
    if value is not None and invocation is not None:
        invocation.flags["store"] = value


_store_url_option = click.option(
    "--store-url", "--store", metavar="URL", callback=_keep_store, expose_value=False,
    help="The file store, such as http://host:8080/-/store; none: that of the server of --url.  [RAINER_STORE]",
)  # fmt: skip


@contextmanager
def file_store(run: Invocation, *, local: bool = True) -> Iterator[Client]:
    """A client of the store that was chosen, with its local copies or without."""
    from rainer.store import Client, Tls

    values = run.settings
    tls = Tls.of(values.tls_ca, values.client_certificate, values.client_key)
    with Client(
        store_url(run), values.store_dir if local else None, timeout_s=values.store_timeout_s, tls=tls
    ) as client:  # fmt: skip
        yield client


def store_url(run: Invocation) -> str:
    """The setting `store`, else the store beside the namespace of the server's URL; that server's gets the token."""
    from rainer.client.address import Address

    values = run.settings
    address = Address.parse(values.url).with_token(values.token)
    return address.own_store if values.store is None else address.proved(values.store)
