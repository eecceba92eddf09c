"""A small OpenID Connect issuer over HTTP: its document, its keys, which change when told to, and JWTs by them."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

_KEYS: dict[str, Any] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
}


class Key:
    """A private key, and what the issuer tells of it."""

    def __init__(self, kid: str, algorithm: str) -> None:
        self.kid, self.algorithm = kid, algorithm
        self.private = _KEYS[algorithm]()
        told = jwt.get_algorithm_by_name(algorithm).to_jwk(self.private.public_key(), as_dict=True)
        self.member: dict[str, Any] = {**told, "kid": kid, "use": "sig", "alg": algorithm}


class Issuer:
    """A context manager; `asked` counts how often its keys were asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.keys = [Key("first", "ES256")]
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def claims(self, **changes: Any) -> dict[str, Any]:
        """What a good JWT says; a change to None leaves a claim away."""
        now = int(time.time())
        good = {
            "iss": self.url,
            "aud": "rainer",
            "sub": "u-1",
            "email": "ada@example.com",
            "iat": now,
            "exp": now + 300,
        }
        return {name: value for name, value in (good | changes).items() if value is not None}

    def sign(self, *, key: Key | None = None, kid: str | None = "", **changes: Any) -> str:
        """A JWT by the newest key; `kid` None names no key, any other text that one."""
        key = key or self.keys[-1]
        headers = {} if kid is None else {"kid": kid or key.kid}
        return jwt.encode(self.claims(**changes), key.private, key.algorithm, headers=headers)

    def rotate(self, kid: str, algorithm: str = "ES256") -> None:
        """Sign with a new key from now on, and forget the one before."""
        self.keys = [Key(kid, algorithm)]

    def start(self) -> None:
        """Answer, again on the same port."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self))
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="issuer", daemon=True).start()

    def stop(self) -> None:
        """Be away."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/.well-known/openid-configuration":
                self._answer({"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"})
            elif self.path == "/keys":
                issuer.asked += 1
                self._answer({"keys": [key.member for key in issuer.keys]})
            else:
                self.send_error(404)

        def _answer(self, body: object) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler
