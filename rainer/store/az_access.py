"""Who asks Azure's Blob Storage, and where: credentials in one process, and the proof that goes with each request."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
import time
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from rainer.errors import CredentialsError, missing_extra
from rainer.store.credential_names import chosen

VERSION: Final = "2021-12-02"
_SCOPE: Final = "https://storage.azure.com/.default"
_ABSENT_FOR_S: Final = 30.0
_RENEW_BEFORE_S: Final = 300.0
_VALUED: Final = ("key", "sas", "connection")
_SIGNED_HEADERS: Final = (
    "Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type", "Date",
    "If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range",
)  # fmt: skip
HINT: Final = (
    "log in with `az login`, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET; what to try is named as"
    " `default connection:@FILE sas:@FILE key:@FILE anonymous`"
)


class AbsentError(Exception):
    """There are no such credentials; the text says why."""


class AzAccess:
    """One of the credentials to try for an account, for any number of threads of one process.

    `default` (or `env`) is azure-identity's chain: environment, workload and managed identity, the logins of Azure's
    tools; `connection:STRING` a connection string; `sas:TOKEN` a shared access signature; `key:KEY` the account's key;
    `anonymous` none. Each of the three secrets can stand in a file: `sas:@/run/secrets/sas`.
    """

    def __init__(self, name: str, account: str, endpoint: str) -> None:
        self.kind, _, value = name.partition(":")
        self.account, self.endpoint = account, endpoint
        self.sas, self._key, self._key_text, self._trouble = "", b"", "", ""
        self._identity: Any = None
        self._lock = threading.Lock()
        self._token: Any = None
        self._absent_until = 0.0
        try:
            self._take(_secret(value))
        except (OSError, ValueError) as error:
            self._trouble = str(error)

    @property
    def shown(self) -> str:
        """What messages call it; a secret stays one."""
        return self.kind

    def target(self, path: str) -> str:
        """The URL of a path below the endpoint, with the signature that belongs to it."""
        return f"{self.endpoint}{path}{'?' + self.sas if self.sas else ''}"

    def headers(self, method: str, target: str, extra: Mapping[str, str]) -> dict[str, str]:
        """The headers that prove who asks, for a request with the headers `extra`. Raises AbsentError."""
        self._check()
        headers = {"x-ms-version": VERSION, "x-ms-date": formatdate(usegmt=True)}
        if self._key:
            text = _to_sign(method, target, self.account, {**extra, **headers})
            proof = base64.b64encode(hmac.new(self._key, text.encode(), hashlib.sha256).digest()).decode()
            headers["Authorization"] = f"SharedKey {self.account}:{proof}"
        elif self.kind == "default":
            headers["Authorization"] = f"Bearer {self.token()}"
        return headers

    def credential(self) -> Any:
        """What azure-storage-blob takes as its credential. Raises AbsentError."""
        self._check()
        if self._key:
            from azure.core.credentials import AzureNamedKeyCredential

            return AzureNamedKeyCredential(self.account, self._key_text)
        if self.sas:
            from azure.core.credentials import AzureSasCredential

            return AzureSasCredential(self.sas)
        if self.kind != "default":
            return None
        self.token()  # so that its absence is told as such
        return self._identity

    def token(self) -> str:
        """An access token with some minutes to live. Raises AbsentError."""
        token = self._token
        if token is None or token.expires_on - time.time() < _RENEW_BEFORE_S:
            with self._lock:
                token = self._renewed()
        return str(token.token)

    def close(self) -> None:
        identity, self._identity, self._token = self._identity, None, None
        if identity is not None:
            identity.close()

    def _take(self, value: str) -> None:
        if self.kind == "env":
            self.kind = "default"
        elif self.kind == "key":
            self._take_key(value)
        elif self.kind == "sas":
            self.sas = value.removeprefix("?")
        elif self.kind == "connection":
            self._take_connection(value)

    def _take_key(self, text: str) -> None:
        try:
            self._key, self._key_text = base64.b64decode(text, validate=True), text
        except binascii.Error:
            raise ValueError("the account's key is no base64") from None

    def _take_connection(self, text: str) -> None:
        parts = dict(part.partition("=")[::2] for part in text.split(";") if part)
        self.account = parts.get("AccountName", self.account)
        if "BlobEndpoint" in parts:
            self.endpoint = parts["BlobEndpoint"].rstrip("/")
        elif "AccountName" in parts:
            scheme, suffix = parts.get("DefaultEndpointsProtocol", "https"), parts.get("EndpointSuffix", SUFFIX)
            self.endpoint = f"{scheme}://{self.account}.blob.{suffix}"
        if "AccountKey" in parts:
            self._take_key(parts["AccountKey"])
        elif "SharedAccessSignature" in parts:
            self.sas = parts["SharedAccessSignature"].removeprefix("?")
        else:
            raise ValueError("the connection string has neither AccountKey nor SharedAccessSignature")

    def _check(self) -> None:
        if self._trouble:
            raise AbsentError(self._trouble)

    def _renewed(self) -> Any:
        try:
            from azure.core.exceptions import AzureError
            from azure.identity import DefaultAzureCredential
        except ImportError as error:
            raise missing_extra("Azure's Blob Storage needs azure-identity", "az") from error
        if time.monotonic() < self._absent_until:
            raise AbsentError("none were found a moment ago")
        token = self._token
        if token is not None and token.expires_on - time.time() >= _RENEW_BEFORE_S:
            return token
        try:
            self._identity = self._identity or DefaultAzureCredential()
            self._token = self._identity.get_token(_SCOPE)
        except (AzureError, ValueError) as error:
            self._absent_until = time.monotonic() + _ABSENT_FOR_S
            raise AbsentError(" ".join(str(error).split())[:500]) from error
        return self._token


SUFFIX: Final = "core.windows.net"


def names_for(credentials: Sequence[str], *, has_sas: bool) -> tuple[str, ...]:
    """The credentials that mean something here; raises InvalidUri for what means nothing anywhere."""
    found = chosen(credentials, _VALUED, "name default, connection:STRING, sas:TOKEN, key:KEY or anonymous")
    return found or (() if has_sas else ("default",))


def denied(uri: str, reasons: Sequence[tuple[str, str]]) -> CredentialsError:
    """The error when all credentials were absent or refused."""
    told = "; ".join(f"{name}: {reason}" for name, reason in reasons)
    return CredentialsError(f"{uri}: no credentials do ({told})", hint=HINT)


def _secret(value: str) -> str:
    return Path(value[1:]).read_text("utf-8").strip() if value.startswith("@") else value


def _to_sign(method: str, target: str, account: str, headers: Mapping[str, str]) -> str:
    """What a shared key signs, as Azure's "Authorize with Shared Key" lays down for Blob Storage."""
    parts = urlsplit(target)
    own = sorted((name.lower(), value) for name, value in headers.items() if name.lower().startswith("x-ms-"))
    query = sorted((name.lower(), value) for name, value in parse_qsl(parts.query, keep_blank_values=True))
    lines = [method, *(headers.get(name, "") for name in _SIGNED_HEADERS)]
    lines += [f"{name}:{value}" for name, value in own]
    lines += [f"/{account}{parts.path}", *(f"{name}:{value}" for name, value in query)]
    return "\n".join(lines)
