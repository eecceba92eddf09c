"""The public keys of an issuer: fetched when they are needed, remembered, and kept while the issuer is away."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from rainer.errors import UnavailableError

if TYPE_CHECKING:
    from jwt import PyJWK

log = logging.getLogger("rainer.access")

FRESH_S: Final = 300.0
"""Keys older than this are fetched again with the next JWT: what the issuer withdrew proves nothing from then on."""
LEAST_S: Final = 2.0
"""So often at most is the issuer asked, however many JWTs name a key that it does not have."""
_TIMEOUT_S: Final = (3.0, 5.0)
_BYTES_MAX: Final = 1 << 20
_DISCOVERY: Final = "/.well-known/openid-configuration"


class NoKey(Exception):
    """No key of that id is known."""


class Keys:
    """Thread-safe. `url` None: the issuer's own document names it."""

    def __init__(self, issuer: str, url: str | None) -> None:
        self._issuer, self._url = issuer, url
        self._found: dict[str, PyJWK] = {}
        self._fetched_s = self._tried_s = -float("inf")
        self._mutex = threading.Lock()
        self.version = 0
        """Another number whenever the keys are others than before."""

    @property
    def is_stale(self) -> bool:
        """Whether it is time to fetch them again; until that is done they hold."""
        now_s = time.monotonic()
        return now_s - self._fetched_s > FRESH_S and now_s - self._tried_s > LEAST_S

    def find(self, kid: object) -> list[PyJWK]:
        """The key of that id, or all keys for a JWT that names none; NoKey. Waits for nothing."""
        if kid is None and self._found:
            return list(self._found.values())
        key = self._found.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise NoKey("the issuer has no key of the id that the JWT names")
        return [key]

    def fetch(self, unless_known: object = None) -> None:
        """Fetch the keys, unless they were fetched a moment ago or the key of that id has come meanwhile.

        Where the issuer is away they stay as they are; UnavailableError if there are none.
        """
        with self._mutex:
            now_s = time.monotonic()
            if isinstance(unless_known, str) and unless_known in self._found:
                return
            if now_s - self._tried_s >= LEAST_S:
                self._tried_s = now_s
                self._try()
            if not self._found:
                raise UnavailableError(f"the issuer {self._issuer} cannot be asked for its keys", hint="try again")

    def _try(self) -> None:
        try:
            found = self._ask()
        except Exception as e:  # whatever an issuer may answer
            log.warning("the keys of %s cannot be fetched: %s: %s", self._issuer, type(e).__name__, e)
            return
        if {kid: key._jwk_data for kid, key in self._found.items()} != {k: key._jwk_data for k, key in found.items()}:
            self.version += 1
        self._found, self._fetched_s = found, time.monotonic()

    def _ask(self) -> dict[str, PyJWK]:
        import jwt

        url = self._url or self._discover()
        found: dict[str, PyJWK] = {}
        for number, member in enumerate(_json_of(url)["keys"]):
            try:
                key = jwt.PyJWK(member)
            except jwt.PyJWTError:
                continue  # of a kind that we do not know, and that no JWT for us is signed with
            if key.public_key_use in (None, "sig"):
                found[key.key_id or f"#{number}"] = key
        if not found:
            raise ValueError(f"{url} names no key that signs")
        return found

    def _discover(self) -> str:
        document = _json_of(self._issuer.rstrip("/") + _DISCOVERY)
        if document.get("issuer") != self._issuer:
            raise ValueError(f"the document of {self._issuer} is of another issuer")
        return str(document["jwks_uri"])


def _json_of(url: str) -> dict[str, Any]:
    import requests

    with requests.Session() as session:
        session.trust_env = False
        with session.get(url, timeout=_TIMEOUT_S, stream=True, allow_redirects=False) as response:
            if response.status_code != 200:
                raise ValueError(f"{url} answers {response.status_code}")
            body = response.raw.read(_BYTES_MAX + 1, decode_content=True)
    if len(body) > _BYTES_MAX:
        raise ValueError(f"{url} answers with more than {_BYTES_MAX} bytes")
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError(f"{url} answers with no JSON object")
    return document
