"""`rainer asset`: publish files as versions of paths in a manifest, and fetch them, verified."""

from __future__ import annotations

import click

from rainer.cli.commands.asset_fetch import lock, prefetch, sync
from rainer.cli.commands.asset_gc import gc
from rainer.cli.commands.asset_list import diff, list_assets, list_remote, versions
from rainer.cli.commands.asset_manifest import override, remove
from rainer.cli.commands.asset_pack import pack
from rainer.cli.commands.asset_publish import add, update
from rainer.cli.commands.asset_read import cat, get, open_asset, path_of, uri
from rainer.cli.commands.asset_unpack import unpack


@click.group("asset", short_help="Versioned files: publish, fetch, pin.", no_args_is_help=False)
def command() -> None:
    """Publish files as versions of paths in a manifest, and fetch them, verified, into the local cache.

    A path, such as /models/speech.onnx, is what code names. The manifest, a key of the journal, says which version of
    it is the present one, and which bytes that is. The bytes lie in a store: the server's own, or --store s3://bucket.
    """


for _command in (
    add, update, remove, override, list_assets, versions, list_remote, diff, get, path_of, open_asset, uri, cat, sync,
    lock, prefetch, pack, unpack, gc,
):  # fmt: skip
    command.add_command(_command)
