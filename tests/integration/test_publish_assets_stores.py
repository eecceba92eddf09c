"""Publishing to real stores (a folder, the server, an S3 bucket), and by many at once, in threads and processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
import requests

from rainer.assets import Assets
from rainer.assets.publishing import AssetPublisher, own_store_url
from rainer.cache import AssetCache
from rainer.errors import AssetVersionConflict, ObjectExists
from rainer.model.assets import parse_version
from rainer.store.opening import open_store
from tests.publishing import Room, room
from tests.services.rainer import RainerServer, clean_environment

PATH = "/foo/bar.csv"
_TOP = Path(__file__).resolve().parents[2]
_PUBLISHER = """
import sys
from rainer.assets.publishing import AssetPublisher
from rainer.client import Client
url, store, number, times, *paths = sys.argv[1:]
with Client(url, author=number) as client, AssetPublisher(client, store=store) as publisher:
    print("ready", flush=True)
    sys.stdin.readline()
    for turn in range(int(times)):
        for path in [*paths, "/own/" + number]:
            said = publisher.add_or_update(path, f"{number}.{turn}.txt", "patch")
            print(path, said.version, flush=True)
"""


@pytest.fixture(params=["folder", "server", "s3"])
def here(request: pytest.FixtureRequest, served: RainerServer, tmp_path: Path) -> Iterator[Room]:
    made = room(served.url, tmp_path)
    url = {
        "folder": lambda: (tmp_path / "objects").as_uri(),
        "server": lambda: f"{own_store_url(made.client)}/files/{made.client.namespace_name}",
        "s3": lambda: f"{request.getfixturevalue('s3_bucket').url}/some/prefix",
    }[request.param]()
    made.store = open_store(url)
    with made.client:
        yield made
    made.store.close()


def test_the_life_of_an_asset(here: Room) -> None:
    publisher, told = here.publisher(), [0]
    publisher.add(PATH, here.file(bytes(100_000)), progress=told.append)
    assert sum(told) == 100_000
    publisher.add_many({"/ünï/cödé und raum.txt": here.file("u"), "/empty": here.file("")})
    assert publisher.update(PATH, here.file("2"), "patch").version == "1.0.1"
    here.every_named_object_is_there()
    assert publisher.versions(PATH) == ["1.0.0", "1.0.1"]
    assert [one.path for one in publisher.list_remote("/foo")] == [PATH, PATH]
    here.store.put(here.store.uri("foo/bar.1.0.2.csv"), here.file("left"), create_only=True)
    assert publisher.update(PATH, here.file("other"), "patch").version == "1.0.3"
    here.store.put(here.store.uri("foo/bar.1.0.4.csv"), here.file("adopted"), create_only=True)
    assert publisher.update(PATH, here.file("adopted"), "patch").version == "1.0.4"
    with pytest.raises(ObjectExists):
        here.store.put(here.store.uri("foo/bar.1.0.4.csv"), b"changed", create_only=True)
    with pytest.raises(AssetVersionConflict):
        publisher.add(PATH, here.file("x"))
    before = here.objects()
    found, heard = here.collect()
    assert [one.version for one in heard] == ["1.0.2"]
    assert (found.removed, set(before) - set(here.objects())) == (1, {"foo/bar.1.0.2.csv"})
    here.every_named_object_is_there()


def test_publishers_in_many_threads(here: Room, seed: int) -> None:
    numbers = count()

    def publish(number: int) -> list[tuple[str, str]]:
        publisher, said = here.publisher(), []
        for path in (PATH, f"/own/{number}"):
            one = publisher.add_or_update(path, here.file(f"{seed} {next(numbers)}"), "patch")
            said.append((path, one.version or ""))
        return said

    with ThreadPoolExecutor(6) as pool:
        said = [one for some in pool.map(publish, range(6)) for one in some]
    assert len(set(said)) == len(said) == 12
    _nothing_is_lost(here, said)


def test_publishers_in_many_processes(here: Room) -> None:
    for number in range(3):
        for turn in range(3):
            (here.folder / f"{number}.{turn}.txt").write_text(f"{number} {turn}")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PUBLISHER, here.client.url, here.store.url, str(number), "3", PATH],
            cwd=here.folder,
            env=clean_environment() | {"PYTHONPATH": str(_TOP)},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    said = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0
        said += [(path, version) for path, version in (line.split() for line in output.splitlines())]
    assert len(set(said)) == len(said) == 18
    _nothing_is_lost(here, said)


def _nothing_is_lost(here: Room, said: list[tuple[str, str]]) -> None:
    """Every version told of stands in the history and in the store; the manifest names the highest of each path."""
    publisher = here.publisher()
    for path in {path for path, _ in said}:
        told = {version for one, version in said if one == path}
        assert told <= set(publisher.versions(path))
        history = publisher._in_history(path)
        assert told == history
        assert publisher.latest(path) == max(told, key=parse_version)
    here.every_named_object_is_there()


def test_names_that_manifests_use_are_written_once_for_filetracker_clients_too(
    served: RainerServer, tmp_path: Path
) -> None:
    with (here := room(served.url, tmp_path)).client, AssetPublisher(here.client) as publisher:
        path = f"/{here.client.namespace_name}/bar.csv"
        uri = publisher.add(path, here.file("mine")).uri
        assert uri is not None
        stamp = {"last_modified": "Fri, 01 Jan 2038 00:00:00 -0000"}
        put = requests.put(uri, params=stamp, data=b"theirs", timeout=10)
        assert (put.status_code, requests.delete(uri, params=stamp, timeout=10).status_code) == (403, 403)
        answer = requests.get(uri, timeout=10)
        assert (answer.status_code, answer.content) == (200, b"mine")
        plain = uri.replace("bar.1.0.0.csv", "theirs.txt")
        assert requests.put(plain, params=stamp, data=b"theirs", timeout=10).status_code == 200


def test_what_is_published_is_what_the_resolver_opens(here: Room) -> None:
    publisher, path = here.publisher(), f"/{here.client.namespace_name}/bar.csv"
    publisher.add(path, here.file("first"))
    publisher.update(path, here.file("second"))
    with AssetCache(here.folder / "cache") as cache, Assets(here.client, store=here.store, cache=cache) as assets:
        assert assets(path).read_text() == "second"
        assert assets(path, "1.0.0").read_text() == "first"
        assert assets.uri(path) == publisher.uri(path)
