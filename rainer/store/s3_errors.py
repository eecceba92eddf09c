"""What S3's refusals mean, whether our own client met them or botocore's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from rainer.errors import (
    CredentialsError,
    InvalidError,
    ObjectExists,
    ObjectNotFound,
    RainerError,
    StoreUnavailable,
    WrongDigest,
)
from rainer.store.http_answer import HttpAnswer
from rainer.store.http_reading import refusal_of

_TEXT_BYTES: Final = 16_384
_CODE: Final = re.compile(r"<Code>([^<]*)</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]*)</Message>")
_DENIALS: Final = {
    "AccessDenied", "AccountProblem", "AllAccessDisabled", "AuthorizationHeaderMalformed", "ExpiredToken",
    "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken", "NotSignedUp", "RequestTimeTooSkewed",
    "SignatureDoesNotMatch", "TokenRefreshRequired", "UnrecognizedClientException",
}  # fmt: skip
_BUSY: Final = {
    "SlowDown",
    "RequestTimeout",
    "InternalError",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
}
_DIGESTS: Final = {"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "InvalidDigest"}
_SET: Final = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or log in with `aws sso login`; other credentials"
    " to try are named in RAINER_STORE_CREDENTIALS, such as `default profile:NAME anonymous`"
)
_HINTS: Final = {
    "ExpiredToken": "log in again (`aws sso login`), or renew AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and"
    " AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "set this machine's clock: requests are signed with its time",
    "AccessDenied": "allow s3:GetObject (and s3:ListBucket, without which a missing object looks like a forbidden one),"
    " or " + _SET,
}


class Fault(NamedTuple):
    """A refusal: HTTP status, S3's code for it (empty where none came) and its words."""

    status: int
    code: str
    message: str

    @property
    def is_denial(self) -> bool:
        """Whether other credentials may do better."""
        return self.code in _DENIALS or self.status in (401, 403)

    def __str__(self) -> str:
        name = self.code or str(self.status)
        return f"{name}: {self.message}" if self.message and self.message != name else name

    def error(self, uri: str) -> RainerError:
        """The error for a refusal that is none of credentials."""
        if self.code == "NoSuchBucket":
            return ObjectNotFound(f"{uri}: there is no such bucket", hint="look at the bucket's name and the endpoint")
        if self.code in _BUSY:
            return StoreUnavailable(f"{uri}: the store is not available ({self})", hint="try again later")
        if self.code in _DIGESTS:
            return WrongDigest(f"{uri}: the store refuses bytes that are not what was promised ({self})")
        if self.status == 412 and self.code == "PreconditionFailed":
            return ObjectExists(f"{uri} exists already", hint="objects like it are written once: take another name")
        if self.status in (301, 307, 308):
            where = f"{uri}: the bucket is elsewhere, and the store does not say in which region ({self})"
            hint = "set AWS_REGION to the bucket's region, or AWS_ENDPOINT_URL to its own server"
            if self.status != 307:
                return InvalidError(where, hint=hint)
            return StoreUnavailable(where, hint=f"try again: a new bucket takes up to a day to be found; or {hint}")
        if self.status == 501:
            return InvalidError(f"{uri}: the store cannot do that ({self})", hint="it is not compatible enough with S3")
        return refusal_of(self.status, str(self), uri)


def fault_of(answer: HttpAnswer) -> Fault:
    """Read a refusal from its answer, and close that."""
    text = answer.read(_TEXT_BYTES).decode("utf-8", "replace")
    answer.close()
    code, message = _CODE.search(text), _MESSAGE.search(text)
    from xml.sax.saxutils import unescape

    return Fault(answer.status, unescape(code[1]) if code else "", unescape(message[1]) if message else "")


def fault_of_client_error(response: dict[str, Any]) -> Fault:
    """Read a refusal from what botocore's ClientError carries."""
    error = response.get("Error", {})
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return Fault(status, str(error.get("Code", "")), str(error.get("Message", "")))


def denied(uri: str, reasons: Sequence[tuple[str, str]]) -> CredentialsError:
    """The error that says which credentials were tried and what to set."""
    tried = "; ".join(f"{name}: {reason}" for name, reason in reasons)
    last = reasons[-1][1].partition(":")[0] if reasons else ""
    hint = next((text for code, text in _HINTS.items() if last.startswith(code)), _SET)
    return CredentialsError(f"{uri}: no credentials were accepted ({tried})", hint=hint)
