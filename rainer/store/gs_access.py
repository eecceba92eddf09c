"""Who asks Google Cloud Storage: credentials as google-auth finds them, with tokens renewed before they expire."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rainer.errors import CredentialsError, StoreUnavailable, missing_extra
from rainer.store.credential_names import chosen
from rainer.store.http_connect import Origin

SCOPES: Final = ("https://www.googleapis.com/auth/devstorage.read_write",)
_ABSENT_FOR_S: Final = 30.0
"""So long the absence of credentials is believed: looking for them can mean to wait for a machine's metadata."""
_HINT: Final = (
    "set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file, or log in with"
    " `gcloud auth application-default login`; what to try is named as `default file:KEY.json bearer:TOKEN anonymous`"
)


class AbsentError(Exception):
    """There are no such credentials; the text says why."""


class GsAccess:
    """One of the credentials to try, for any number of threads of one process.

    `default` (or `env`) is google-auth's chain, the application default credentials: the key file that
    GOOGLE_APPLICATION_CREDENTIALS names, gcloud's login, the machine's own service account; `file:PATH` a key file;
    `bearer:TOKEN` an access token; `anonymous` none.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.shown = name.partition(":")[0] if name.startswith("bearer:") else name
        self._lock = threading.Lock()
        self._found: Any = None
        self._absent_until, self._absence = 0.0, ""

    @property
    def is_anonymous(self) -> bool:
        return self.name == "anonymous"

    def sign(self, _method: str, _origin: Origin, _target: str) -> dict[str, str]:
        """The headers that prove who asks. Raises AbsentError, and StoreUnavailable if a token cannot be asked for."""
        if self.is_anonymous:
            return {}
        kind, _, value = self.name.partition(":")
        return {"Authorization": f"Bearer {value if kind == 'bearer' else self._token()}"}

    def _token(self) -> str:
        found = self._found
        if found is None or not found.valid:
            with self._lock:
                found = self._renewed()
        return str(found.token)

    def _renewed(self) -> Any:
        try:
            from google.auth.exceptions import GoogleAuthError, TransportError
            from google.auth.transport.requests import Request
            from requests import Session
        except ImportError as error:
            raise missing_extra("Google Cloud Storage needs google-auth", "gs") from error
        if time.monotonic() < self._absent_until:
            raise AbsentError(self._absence)
        try:
            with Session() as session:
                request = Request(session)
                self._found = self._found or self._look(request)
                if not self._found.valid:
                    self._found.refresh(request)
        except TransportError as error:
            raise StoreUnavailable(
                f"no token could be had: {error}", hint="look at the network, and try again"
            ) from error
        except (GoogleAuthError, OSError, ValueError) as error:
            self._absence, self._absent_until = str(error), time.monotonic() + _ABSENT_FOR_S
            raise AbsentError(self._absence) from error
        return self._found

    def _look(self, request: Any) -> Any:
        import google.auth

        kind, _, path = self.name.partition(":")
        library: Any = google.auth  # half of it is without types
        return _from_file(Path(path)) if kind == "file" else library.default(scopes=SCOPES, request=request)[0]


def _from_file(path: Path) -> Any:
    """The credentials in a key file of a kind that cannot make us run programs or ask strangers."""
    from google.oauth2 import credentials, service_account

    found = json.loads(path.read_bytes())
    kind = found.get("type") if isinstance(found, dict) else None
    kinds: dict[Any, Any] = {
        "service_account": service_account.Credentials,
        "authorized_user": credentials.Credentials,
    }
    if kind not in kinds:
        raise ValueError(f"{path} is of type {kind!r}; GOOGLE_APPLICATION_CREDENTIALS and `default` take every type")
    return getattr(kinds[kind], f"from_{kind}_info")(found, scopes=SCOPES)


def names_for(credentials: Sequence[str], *, has_endpoint: bool) -> tuple[str, ...]:
    """The credentials that mean something here; raises InvalidUri for what means nothing anywhere.

    Where none is named it is `default`, and `anonymous` for an endpoint of one's own, which is an emulator.
    """
    found = chosen(credentials, ("file", "bearer"), "name default, file:PATH, bearer:TOKEN or anonymous")
    return found or (("anonymous",) if has_endpoint else ("default",))


def denied(uri: str, reasons: Sequence[tuple[str, str]]) -> CredentialsError:
    """The error when all credentials were absent or refused."""
    told = "; ".join(f"{name}: {reason}" for name, reason in reasons)
    return CredentialsError(f"{uri}: no credentials do ({told})", hint=_HINT)
