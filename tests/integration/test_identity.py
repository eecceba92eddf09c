"""Servers that ask who everybody is: tokens at the command line, clients of every kind, TLS, and what logs show."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cryptography import x509

from rainer import Mirror
from rainer.access import AccessOptions
from rainer.api.app import create_app
from rainer.cli.invocation import Invocation
from rainer.client import Client
from rainer.errors import DeniedError, InvalidError, UnauthenticatedError, UnavailableError
from rainer.journal import Journal
from rainer.model.identity import is_token
from rainer.service import ServiceOptions
from rainer.store import Client as FileClient
from tests.command_line import CommandLine
from tests.integration.conftest import verify
from tests.integration.hosted import hosted
from tests.integration.wire import ask
from tests.services import secrets
from tests.services.encrypted import Encrypted
from tests.services.issuer import Issuer
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until
from tests.unit.certificates import Certificates

POLICY = b"""
grants:
  - {who: [ada, ci, eve], may: [read, write], on: ["diary/*", "store:*"]}
"""


class Guarded(RainerServer):
    """Asks everybody, and logs all it can; two workers."""

    def __init__(self) -> None:
        self.secret = secrets.new_secret()
        super().__init__(
            workers=2,
            arguments=("--identity", "--token-path", "--log-level", "debug"),
            environment={"RAINER_BOOTSTRAP_TOKEN": self.secret},
        )

    def as_root(self) -> Client:
        return Client(f"{self.url}/diary", token=self.secret)

    def token(self, name: str) -> str:
        with self.as_root() as root:
            text: str = root.create_token(name)["token"]
            return text


@pytest.fixture(scope="module")
def guarded(_guardian: None) -> Iterator[Guarded]:
    with Guarded() as server:
        with server.as_root() as root:
            root.create_namespace("rainer", format="yaml")
            root.in_namespace("rainer").commit("policy", POLICY, version=1)
        wait_until(lambda: _may_read(server), 10, "the policy in both workers")
        yield server
        server.stop()
        verify(server.database)
        assert "Traceback" not in server.output, server.output[-4000:]
        assert secrets.tokens_in(server.output) == []


def _may_read(server: Guarded) -> bool:
    """Whether every worker knows the policy, as far as many connections can tell."""
    token = server.token("ada")
    answers = [requests.get(f"{server.url}/diary", headers=_bearer(token), timeout=10) for _ in range(8)]
    return all(answer.status_code == 200 for answer in answers)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def rainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, guarded: Guarded) -> CommandLine:
    made = CommandLine(monkeypatch, tmp_path, f"{guarded.url}/diary")
    monkeypatch.delenv("RAINER_AUTHOR")
    return made


# At the command line


def test_a_token_is_made_shown_once_and_used(
    rainer: CommandLine, guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAINER_TOKEN", guarded.secret)
    made = rainer.ok("token", "create", "ci", "--expires", "90d")
    token = made.text.strip()
    assert is_token(token)
    assert token not in made.err
    assert "ci" in made.err
    record = rainer.ok("token", "create", "eve", "--json").json
    assert (record["name"], record["expires"], record["created_by"]) == ("eve", None, "bootstrap")
    listed = {one["id"]: one for one in rainer.ok("token", "list", "--json").json}
    assert (listed[token[4:12]]["name"], listed[token[4:12]]["state"]) == ("ci", "live")
    assert "\tci\tlive\t" in rainer.ok("token", "list").text

    monkeypatch.setenv("RAINER_TOKEN", token)
    rainer.ok("commit", "by-ci", "-m", "as who I am", stdin=b"x")
    assert "Author: ci" in rainer.ok("log", "by-ci").text
    other = rainer("--author", "ada", "commit", "by-ci", "-m", "as who I am not", stdin=b"y")
    assert (other.code, "in the name of 'ada'" in other.err) == (6, True)
    assert rainer("token", "list").code == 6
    shown = rainer.ok("config", "show")
    assert "token\t***\t" in shown.text
    assert token not in shown.text
    wrong = rainer("--token", record["token"], "--url", f"{guarded.url}/-/t/{token}/Diary", "list")
    assert token not in wrong.err

    monkeypatch.setenv("RAINER_TOKEN", guarded.secret)
    rainer.ok("token", "revoke", token[4:12])
    revoked_s = time.monotonic()
    assert rainer("token", "revoke", "nobodys").code == 4
    monkeypatch.setenv("RAINER_TOKEN", token)
    wait_until(lambda: time.monotonic() > revoked_s + 3, 10, "the two seconds of the other worker")
    assert {rainer("list").code for _ in range(8)} == {6}
    assert "prove no identity" in rainer("list").err
    monkeypatch.delenv("RAINER_TOKEN")
    assert "anonymous may not" in rainer("list").err


def test_the_first_token_is_made_on_the_database_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sqlite_url: str
) -> None:
    rainer = CommandLine(monkeypatch, tmp_path)
    token = rainer.ok("token", "create", "root", "--database", sqlite_url).text.strip()
    assert is_token(token)
    listed = rainer.ok("token", "list", "--database", sqlite_url, "--json").json
    assert [(one["id"], one["name"], one["state"]) for one in listed] == [(token[4:12], "root", "live")]
    assert rainer.ok("token", "revoke", token[4:12], "--database", sqlite_url, "--json").json["state"] == "revoked"
    for words in (("group:x",), ("a", "--expires", "soon"), ("a", "--expires", "9999999d")):
        assert rainer("token", "create", *words, "--database", sqlite_url).code in (2, 5), words


@pytest.mark.parametrize("command", ["serve", "mirror"])
def test_an_open_server_does_not_listen_where_others_reach_it(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rainer = CommandLine(monkeypatch, tmp_path)
    for host in ("0.0.0.0", "::"):
        refused = rainer(command, "--host", host, "--port", "0")
        assert refused.code == 5
        assert f"rainer {command} on {host} with identity off" in refused.err
        for words in ("export RAINER_BOOTSTRAP_TOKEN=", f"rainer {command} --identity --host {host}", "token create"):
            assert words in refused.err
    assert list(tmp_path.rglob("*.db")) == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--token-path",), "identity is off"),
        (("--bootstrap-token", "0123456789abcdefghij"), "identity is off"),
        (("--identity", "--bootstrap-token", "short"), "can be guessed"),
        (("--identity", "--oidc-issuer", "https://x"), "oidc_audience"),
        (("--identity", "--oidc-audience", "x"), "no issuer"),
        (("--tls-key", "nowhere.pem"), "no certificate"),
        (("--tls-certificate", "nowhere.pem"), "No such file"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    flags: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = CommandLine(monkeypatch, tmp_path)("serve", "--port", "0", *flags)
    assert (refused.code, words in refused.err) == (5, True), refused


# Clients


def test_a_client_commits_in_its_own_name(guarded: Guarded) -> None:
    with Client(f"{guarded.url}/diary", token=guarded.token("ada")) as client:
        assert client.whoami() == {"name": "ada", "source": "token", "groups": []}
        assert client.commit("mine", b"1", version=1).author == "ada"
        assert (
            client.in_namespace("diary").commit_many([{"key": "many", "payload": b"", "version": 1}])[0].author == "ada"
        )
        with pytest.raises(DeniedError, match="in the name of"):
            client.commit("mine", b"2", version=2, author="bob")
        with pytest.raises(DeniedError):
            client.tokens()
    with Client(f"{guarded.url}/diary") as client:
        assert client.own_name() is None
        with pytest.raises(InvalidError, match="author"):
            client.commit("mine", b"2", version=2)
        with pytest.raises(DeniedError):
            client.get("mine")
    with Client(f"{guarded.url}/diary", token="nonsense") as client, pytest.raises(UnauthenticatedError) as e:
        client.get("mine")
    assert "nonsense" not in str(e.value)


def test_a_mirror_follows_and_reports_with_its_token(guarded: Guarded) -> None:
    token = guarded.token("ci")
    with Client(f"{guarded.url}/diary", token=token) as client, guarded.as_root() as root:
        client.commit("mirrored", b"1", version=1)
        for mirror in (
            Mirror.http(f"{guarded.url}/diary", token=token),
            Mirror.http(f"{guarded.url}/-/t/{token}/diary"),
        ):
            with mirror:
                version = client.get("mirrored").version + 1
                client.commit("mirrored", b"x", version=version)
                wait_until(lambda: mirror["mirrored"].version == version, 10, "the commit in the mirror")  # noqa: B023
                wait_until(lambda: root.mirrors("diary"), 10, "the mirror's report")
                assert token not in repr(mirror)


def test_files_are_kept_with_a_token(guarded: Guarded, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"contents")
    token = guarded.token("ci")
    with FileClient(f"{guarded.url}/-/store", token=token) as files:
        name = files.put_file("/by-token", tmp_path / "file")
        assert files.exists(name)
    with FileClient(f"{guarded.url}/-/t/{token}/-/store") as files:
        files.get_file(name, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == b"contents"
    with FileClient(f"{guarded.url}/-/store") as files, pytest.raises(DeniedError):
        files.get_file(name, tmp_path / "never")


def test_the_command_line_keeps_files_with_its_token(
    rainer: CommandLine, guarded: Guarded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "table.csv").write_bytes(b"a,b\n")
    monkeypatch.setenv("RAINER_TOKEN", guarded.token("ci"))
    name = rainer.ok("store", "put", "table.csv", "/by-command").text.strip()
    assert rainer.ok("store", "cat", name).out == b"a,b\n"
    rainer.ok("asset", "add", "/tables/a.csv", "table.csv", "-m", "first")
    assert "/tables/a.csv" in rainer.ok("asset", "ls").text
    monkeypatch.delenv("RAINER_TOKEN")
    assert rainer("asset", "ls").code == 6


def test_a_path_with_a_token_in_it_works_as_the_one_without(guarded: Guarded) -> None:
    token = guarded.token("ci")
    base = f"/-/t/{token}"
    made = ask(guarded.url, "POST", f"{base}/diary/by-path/1", {}, b"x")
    assert made.json()["author"] == "ci"
    assert ask(guarded.url, "GET", f"{base}/diary/by-path").body == b"x"
    assert ask(guarded.url, "GET", f"{base}/-/changes?since=0&namespace=diary").status == 200
    found = ask(guarded.url, "GET", f"{base}/-/there/is/nothing")
    assert (found.status, token in found.body.decode()) == (404, False)
    ask(guarded.url, "GET", f"/-/t/{token}x/diary").problem(401, "unauthenticated")


def test_the_log_of_another_server_shows_no_token_either(
    sqlite_url: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    options = ServiceOptions(access=AccessOptions(is_on=True, token_path=True))
    with Journal(sqlite_url) as journal:
        app = create_app(journal, options)
        token = app.service.access.tokens.create("ada", created_by="test")[1]
        with caplog.at_level(logging.DEBUG), hosted(app, access_log=True) as url:
            assert ask(url, "GET", f"/-/t/{token}/-/whoami").json()["name"] == "ada"
            assert ask(url, "GET", f"/-/t/{token}/diary/k").status == 403
    logged = [record.getMessage() for record in caplog.records if record.name == "uvicorn.access"]
    for path in ("/-/t/%2A%2A%2A/-/whoami", "/-/t/%2A%2A%2A/diary/k"):  # as uvicorn writes ***
        assert any(path in line for line in logged), logged
    assert secrets.tokens_in(caplog.text) == []


# TLS


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def encrypted(_guardian: None, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    with Encrypted(Certificates(tmp_path_factory.mktemp("tls")), issuer) as server:
        yield server
        server.stop()
        assert "Traceback" not in server.output, server.output[-4000:]
        assert secrets.tokens_in(server.output) == []


def test_clients_are_known_by_their_certificates(encrypted: Encrypted) -> None:
    issue = encrypted.certificates.client
    with encrypted.client(issue("ci-deploy")) as client:
        assert client.whoami() == {"name": "ci-deploy", "source": "certificate", "groups": []}
        assert client.own_name() == "ci-deploy"
    uri = x509.UniformResourceIdentifier("spiffe://example.com/app")
    with encrypted.client(issue("", uri)) as client:
        assert client.whoami()["name"] == "spiffe://example.com/app"
    with encrypted.client(issue("bootstrap")) as client, pytest.raises(UnauthenticatedError):
        client.whoami()
    with encrypted.client() as client:
        assert client.whoami()["source"] == "none"


def test_browsers_are_to_come_encrypted_ever_after(encrypted: Encrypted) -> None:
    connection = encrypted._connection()
    connection.request("GET", "/-/healthz")
    assert "max-age=" in (connection.getresponse().getheader("Strict-Transport-Security") or "")
    connection.close()


def test_certificates_of_strangers_are_not_taken(encrypted: Encrypted, tmp_path: Path) -> None:
    stranger = Certificates(tmp_path).client("ci-deploy")
    with encrypted.client(stranger) as client, pytest.raises(UnavailableError):
        client.whoami()
    with Client(f"{encrypted.url}/diary", retries=0) as client, pytest.raises(UnavailableError, match="not trusted"):
        client.whoami()
    plain = encrypted.url.replace("https", "http") + "/diary"
    with Client(plain, retries=0) as client, pytest.raises(UnavailableError):
        client.whoami()


def test_people_come_with_their_issuers_jwts(encrypted: Encrypted, issuer: Issuer) -> None:
    with encrypted.client(token=issuer.sign(groups=["ops"])) as client:
        assert client.whoami() == {"name": "ada@example.com", "source": "jwt", "groups": ["ops"]}
    first = issuer.keys
    issuer.rotate("second")
    try:
        text = issuer.sign(email="bob@example.com")

        def known() -> bool:
            with encrypted.client(token=text) as client:
                try:
                    return bool(client.whoami()["name"] == "bob@example.com")
                except UnauthenticatedError:
                    return False

        wait_until(known, 10, "the issuer's new key")
    finally:
        issuer.keys = first
    with encrypted.client(token=issuer.sign(aud="another")) as client, pytest.raises(UnauthenticatedError):
        client.whoami()


def test_the_command_line_speaks_tls(encrypted: Encrypted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rainer = CommandLine(monkeypatch, tmp_path, f"{encrypted.url}/diary")
    certificate = encrypted.certificates.client("ci-deploy")
    flags = ("--tls-ca", str(encrypted.certificates.authority), "--client-certificate", str(certificate))
    refused = rainer(*flags, "list")
    assert (refused.code, "ci-deploy may not" in refused.err) == (6, True)
    assert "not trusted" in rainer("list").err
    assert isinstance(Invocation().settings.url, str)


def test_a_refusal_arrives_over_tls_while_the_body_is_still_on_its_way(encrypted: Encrypted) -> None:
    with encrypted.client(encrypted.certificates.client("ci")) as client:
        connection = encrypted._connection()
        connection.putrequest("POST", "/-/changesets")
        connection.putheader("Content-Length", str(10**9))
        connection.endheaders()
        connection.send(b"x" * 1000)
        answer = connection.getresponse()
        assert answer.status in (403, 413)
        assert answer.read()
        connection.close()
        assert client.whoami()["name"] == "ci"
