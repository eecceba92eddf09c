"""A store that was used is forked: child and parent both go on, each with connections of its own."""

from __future__ import annotations

import base64
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rainer.store.addressed import AddressedStore
from rainer.store.az import AzStore
from rainer.store.composite import CompositeStore, Source
from rainer.store.file import FileStore
from rainer.store.gs import GsStore
from rainer.store.memory import MemoryStore
from rainer.store.store import Store
from tests.services.azurite import Azurite

TOP = Path(__file__).resolve().parents[2]

Make = Callable[[pytest.FixtureRequest, Path], Store]


def _az(request: pytest.FixtureRequest, folder: Path) -> Store:
    azurite: Azurite = request.getfixturevalue("azurite")
    return AzStore(request.getfixturevalue("az_container"), credentials=["key:d3Jvbmc=", f"key:{azurite.key}"])


STORES: dict[str, Make] = {
    "file": lambda request, folder: FileStore(folder.as_uri()),
    "memory": lambda request, folder: MemoryStore("memory://forked"),
    "addressed": lambda request, folder: AddressedStore(FileStore(folder.as_uri()), "blobs/"),
    "composite": lambda request, folder: CompositeStore(
        Source(FileStore((folder / "cache").as_uri()), cache="read-through"), FileStore((folder / "home").as_uri())
    ),
    "gs": lambda request, folder: GsStore(request.getfixturevalue("gs_bucket")),
    "az": _az,
    "composite over gs": lambda request, folder: CompositeStore(
        Source(FileStore((folder / "cache").as_uri()), cache="write-only"),
        GsStore(request.getfixturevalue("gs_bucket")),
    ),
}


@pytest.mark.parametrize("kind", STORES)
def test_a_store_is_used_forked_and_used(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    store = STORES[kind](request, tmp_path)
    pickled = base64.b64encode(pickle.dumps(store)).decode()
    store.close()
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.store_fork_process", pickled],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "child 0\n"), done.stderr
