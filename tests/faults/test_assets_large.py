"""A manifest of 100,000 assets on a real server: committed, mirrored, resolved, changed by one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import rainer
from rainer.assets.stored import read_manifest, read_stored
from rainer.errors import AssetNotFound
from rainer.model.manifest import Entry
from rainer.model.manifest_parts import PARTS_MAX
from tests.asset_places import new_store, put
from tests.services.rainer import RainerServer

COUNT = 100_000


def test_a_manifest_of_one_hundred_thousand_assets(tmp_path: Path) -> None:
    store = new_store()
    entries = {f"/many/{n % 97}/{n}.bin": Entry("1.0.0", f"{n:064x}", n) for n in range(COUNT)}
    with RainerServer() as server, rainer.Client(f"{server.url}/diary", author="many@example.com") as client:
        payloads = read_stored(client, "prod").change(entries)
        assert len(payloads) == PARTS_MAX + 1
        client.commit_many([{"key": key, "payload": payload, "version": 1} for key, payload in payloads.items()])
        before = read_manifest(client, "prod")
        assert len(before.stored.manifest) == COUNT
        with rainer.Mirror.http(client.url) as mirror, rainer.Assets(mirror, store=store, cache=tmp_path) as assets:
            for n in (0, 4_711, COUNT - 1):
                assert assets.entry(f"/many/{n % 97}/{n}.bin").size == n
            with pytest.raises(AssetNotFound) as caught:
                assets("/many/1/99.bin")
            assert caught.value.details["near"][0] == "/many/2/99.bin"
            one = before.stored.change({"/one.bin": put(store, "/one.bin", "1.0.0", b"one")})
            ((key, payload),) = one.items()
            assert len(payload) < 100_000
            commit = client.commit(key, payload, version=2)
            mirror.wait_for_revision(commit.revision or 0, 10)
            assert hashlib.sha256(assets("/one.bin").read_bytes()).hexdigest() == assets.entry("/one.bin").sha256
        after = read_manifest(client, "prod", before)
        assert sum(after.parts[n] is not before.parts[n] for n in before.parts) == 1
        assert after.stored.manifest["/one.bin"].size == 3
