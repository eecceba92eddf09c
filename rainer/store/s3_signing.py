"""AWS Signature Version 4 for requests without a body, with the day's key kept.

Botocore's own signer makes a request object and canonicalises every header: 0.2 ms, which is what a 10 KiB object takes
to travel. Facts: "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Final, Protocol

_UNSIGNED: Final = "UNSIGNED-PAYLOAD"


class Keys(Protocol):
    """Frozen credentials, as botocore gives them."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


class Signer:
    """Signs for one region; for any number of threads."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._kept: tuple[str, str, bytes] = ("", "", b"")

    def headers(self, keys: Keys, method: str, host: str, path: str, extra: Mapping[str, str]) -> dict[str, str]:
        """The headers to add to a request for an encoded path without a query; `extra` are x-amz-* headers, in lower
        case, that are sent and signed too."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        day = moment[:8]
        amz = {**extra, "x-amz-content-sha256": _UNSIGNED, "x-amz-date": moment}
        if keys.token:
            amz["x-amz-security-token"] = keys.token
        names = sorted(amz)
        signed = ";".join(["host", *names])
        lines = "".join([f"{name}:{amz[name]}\n" for name in names])
        canonical = f"{method}\n{path}\n\nhost:{host}\n{lines}\n{signed}\n{_UNSIGNED}"
        scope = f"{day}/{self.region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._key(day, keys.secret_key), text.encode(), "sha256").hex()
        amz["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"
        )
        return amz

    def _key(self, day: str, secret: str) -> bytes:
        kept_day, kept_secret, key = self._kept
        if kept_day == day and kept_secret == secret:
            return key
        key = b"AWS4" + secret.encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._kept = (day, secret, key)
        return key
