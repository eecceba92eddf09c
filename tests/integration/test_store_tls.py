"""The command line's files and assets at a server whose authority nobody else knows, by certificate and by token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.store import Client as FileClient
from rainer.store import Tls, open_store
from tests.command_line import CommandLine
from tests.services import secrets
from tests.services.encrypted import Encrypted
from tests.unit.certificates import Certificates

POLICY = b'grants: [{who: [ci-deploy], may: [read, write], on: ["diary/*", "store:*"]}]'


class Served(Encrypted):
    """With a token that may do everything, and a policy that lets `ci-deploy` in."""

    def __init__(self, certificates: Certificates) -> None:
        self.secret = secrets.new_secret()
        super().__init__(certificates, environment={"RAINER_BOOTSTRAP_TOKEN": self.secret})
        self.certificate = certificates.client("ci-deploy")


@pytest.fixture(scope="module")
def server(_guardian: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(Certificates(tmp_path_factory.mktemp("tls"))) as server:
        with server.client(token=server.secret) as root:
            root.create_namespace("rainer", format="yaml")
            root.in_namespace("rainer").commit("policy", POLICY, version=1)
        yield server
        server.stop()
        assert "Traceback" not in server.output, server.output[-4000:]
        assert secrets.tokens_in(server.output) == []


@pytest.fixture(params=["certificate", "token"])
def rainer(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Served
) -> CommandLine:
    line = CommandLine(monkeypatch, tmp_path, f"{server.url}/diary")
    monkeypatch.delenv("RAINER_AUTHOR")
    for name, value in {
        "RAINER_TLS_CA": server.certificates.authority, "RAINER_STORE_DIR": tmp_path / "copies",
        "RAINER_CACHE_DIR": tmp_path / "cache", "RAINER_MANIFEST": request.param,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    if request.param == "certificate":
        monkeypatch.setenv("RAINER_CLIENT_CERTIFICATE", str(server.certificate))
    else:
        monkeypatch.setenv("RAINER_TOKEN", server.secret)
    return line


def test_files_and_assets_go_where_the_settings_let_them(rainer: CommandLine, server: Served) -> None:
    file = rainer.folder / "file"
    file.write_text("contents")
    stored = rainer.ok("store", "put", str(file), "/folder/a").text.strip()
    assert rainer.ok("store", "cat", stored).text == "contents"
    assert rainer.ok("store", "get", "/folder/a", str(rainer.folder / "out")).text.strip() == stored
    assert rainer.ok("store", "ls", "/folder").text.split() == ["/folder/a"]
    old = rainer.folder / "old"
    old.mkdir()
    (old / "b").write_text("older")
    rainer.ok("store", "migrate", str(old))
    rainer.ok("asset", "add", "/a.csv", str(file), "-m", "x")
    assert Path(rainer.ok("asset", "path", "/a.csv").text.strip()).read_text() == "contents"
    for place in (f"{server.url}/-/store", f"{server.url}/-/store/", f"{server.url}/-/store/files/elsewhere"):
        other = f"/{rainer.ok('--version').text.strip()[-1]}{len(place)}.csv"
        rainer.ok("asset", "add", other, str(file), "--store", place, "-m", "x")
        read = rainer.ok("asset", "path", other, "--store", place, "--cache-dir", str(rainer.folder / str(len(place))))
        assert Path(read.text.strip()).read_text() == "contents"
        assert server.secret not in read.text


def test_without_them_it_is_said_what_is_missing(rainer: CommandLine, server: Served) -> None:
    file = rainer.folder / "file"
    file.write_text("contents")
    rainer.monkeypatch.delenv("RAINER_TLS_CA")
    refused = rainer("store", "put", str(file), "/folder/b")
    assert refused.code != 0
    assert "not trusted" in refused.err
    assert "RAINER_TLS_CA" in refused.err
    assert "not trusted" in rainer("asset", "add", "/b.csv", str(file), "-m", "x").err
    rainer.monkeypatch.setenv("RAINER_TLS_CA", str(file))
    refused = rainer("store", "put", str(file), "/folder/b")
    assert (refused.code, f"'{file}' cannot be used for TLS" in refused.err) == (5, True)
    rainer.monkeypatch.setenv("RAINER_TLS_CA", str(server.certificates.authority))
    for name in ("RAINER_CLIENT_CERTIFICATE", "RAINER_TOKEN"):
        rainer.monkeypatch.delenv(name, raising=False)
    assert "anonymous may not read store:folder/b" in rainer("store", "put", str(file), "/folder/b").err


def test_programs_have_the_same(server: Served) -> None:
    tls = Tls(str(server.certificates.authority), str(server.certificate))
    with FileClient(f"{server.url}/-/store", tls=tls) as files:
        assert not files.exists("/nothing")
    store = open_store(f"{server.url}/-/store/files/programs", tls=tls)
    try:
        store.put(store.uri("x"), b"1")
        with store.open(store.uri("x")) as reading:  # type: ignore[union-attr]
            assert reading.info.size == 1
    finally:
        store.close()
