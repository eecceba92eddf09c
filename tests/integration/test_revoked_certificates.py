"""Clients whose certificates their authority took back, on a server that reads its list as it changes."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.api import encryption
from rainer.errors import UnavailableError
from tests.command_line import CommandLine
from tests.services.encrypted import Encrypted
from tests.services.waiting import wait_until
from tests.unit.certificates import Certificates


class Revoking(Encrypted):
    """With a list of what is revoked, which the test replaces."""

    def __init__(self, certificates: Certificates, crl: Path) -> None:
        self.crl = crl
        super().__init__(certificates, arguments=("--tls-client-crl", str(crl)))

    def revoke(self, *files: Path) -> None:
        self.replace(self.certificates.revocations(*files))

    def replace(self, pem: bytes) -> None:
        new = self.crl.with_suffix(".new")
        new.write_bytes(pem)
        new.replace(self.crl)

    def name_of(self, certificate: Path) -> str:
        """Whom a new connection with this certificate proves; the empty text where it is not taken."""
        with self.client(certificate) as client:
            try:
                return str(client.whoami()["name"])
            except UnavailableError:
                return ""


@pytest.fixture
def server(_guardian: None, tmp_path: Path) -> Iterator[Revoking]:
    certificates = Certificates(tmp_path)
    crl = tmp_path / "crl.pem"
    crl.write_bytes(certificates.revocations(certificates.client("long ago")))
    with Revoking(certificates, crl) as server:
        yield server
        server.stop()
        assert "Traceback" not in server.output, server.output[-4000:]


def test_a_revoked_certificate_is_refused_from_then_on_and_others_are_not(server: Revoking) -> None:
    good, bad = (server.certificates.client(name) for name in ("good", "bad"))
    assert [server.name_of(one) for one in (good, bad)] == ["good", "bad"]
    server.revoke(bad)
    wait_until(lambda: server.name_of(bad) == "", 10, "the server reads its list")
    assert server.name_of(good) == "good"
    with server.client() as client:
        assert client.whoami()["source"] == "none"
    server.replace(b"no list at all")
    wait_until(
        lambda: server.name_of(good) and "the former files go on to hold" in server.output, 10, lambda: server.output
    )
    assert [server.name_of(one) for one in (good, bad)] == ["good", ""]
    server.revoke()
    wait_until(lambda: server.name_of(bad) == "bad", 10, "what is not revoked any more is taken again")


def test_a_new_certificate_of_the_server_needs_no_new_start(server: Revoking) -> None:
    def serial() -> str:
        connection = server._connection()
        connection.connect()
        try:
            return str(connection.sock.getpeercert()["serialNumber"])  # type: ignore[attr-defined]
        finally:
            connection.close()

    first, folder = serial(), server.crl.parent / "renewed"
    folder.mkdir()
    renewed = Certificates(folder)
    server.certificates.authority.write_bytes(renewed.authority.read_bytes())
    server.crl.write_bytes(renewed.revocations())
    server.certificates.server.write_bytes(renewed.server.read_bytes())

    def is_renewed() -> bool:
        try:
            return serial() != first
        except OSError:  # the old one, which the new authority does not know
            return False

    wait_until(is_renewed, 10, lambda: server.output)
    assert server.name_of(renewed.client("new")) == "new"


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (None, "No such file"),
        (b"", "holds no list"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "cannot be used for TLS"),
        ("expired", "CN=Rainer's tests ended at 2"),
        ("authority", "holds something else"),
    ],
    ids=["missing", "empty", "garbled", "expired", "authority"],
)
def test_a_list_that_cannot_be_used_is_told_at_the_start(
    contents: bytes | str | None, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificates, crl = Certificates(tmp_path), tmp_path / "crl.pem"
    found = {
        "expired": lambda: certificates.revocations() + certificates.revocations(hours=-1),
        "authority": lambda: certificates.revocations() + certificates.authority.read_bytes(),
    }
    if contents is not None:
        crl.write_bytes(found[contents]() if isinstance(contents, str) else contents)
    flags = ("--tls-certificate", str(certificates.server), "--tls-client-ca", str(certificates.authority))
    line = CommandLine(monkeypatch, tmp_path)
    refused = line("serve", "--identity", "--port", "0", *flags, "--tls-client-crl", str(crl))
    assert (refused.code, words in refused.err, str(crl) in refused.err) == (5, True, True), refused
    bare = line("serve", "--identity", "--port", "0", *flags[:2], "--tls-client-crl", str(crl))
    assert (bare.code, "--tls-client-ca" in bare.err) == (5, True), bare


def test_a_list_that_ends_while_the_server_runs_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificates, crl = Certificates(tmp_path), tmp_path / "crl.pem"
    crl.write_bytes(certificates.revocations())
    tls = encryption.TlsOptions(certificates.server, None, certificates.authority, crl)
    context = encryption.FollowingContext.of(tls)
    assert context._end is not None
    context._end = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    context._look()
    context._look()
    assert [record.getMessage().partition(" ended")[0] for record in caplog.records] == [f"the revocations in '{crl}'"]
