"""A server that speaks TLS, whose authority is the test's own and knows clients by certificate too."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from rainer.client import Client
from rainer.client.transport import new_session
from tests.services.issuer import Issuer
from tests.services.rainer import RainerServer
from tests.unit.certificates import Certificates


class Encrypted(RainerServer):
    """Speaks TLS where others reach it, knows clients by certificate and, with an issuer, by its JWTs."""

    def __init__(
        self, certificates: Certificates, issuer: Issuer | None = None, *, arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.certificates = certificates
        oidc = () if issuer is None else ("--oidc-issuer", issuer.url, "--oidc-audience", "rainer")
        super().__init__(
            arguments=(
                *("--host", "0.0.0.0", "--identity", "--tls-certificate", str(certificates.server)),
                *("--tls-client-ca", str(certificates.authority), *oidc, *arguments),
            ),
            environment=environment,
        )

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificates.authority)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=2, context=self.context())

    def client(self, *certificate: Path, token: str | None = None) -> Client:
        ca, own = str(self.certificates.authority), (str(certificate[0]) if certificate else None)
        return Client(f"{self.url}/diary", token=token, session=partial(new_session, ca, own), retries=0)
