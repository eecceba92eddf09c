"""Who asks S3, and where: credentials, region and endpoint as botocore finds them, in one process."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from rainer.errors import missing_extra
from rainer.store.credential_names import chosen
from rainer.store.http_connect import Origin, split_url
from rainer.store.s3_environment import plain_environment
from rainer.store.s3_signing import Keys, Signer

if TYPE_CHECKING:
    from botocore.session import Session

_ABSENT_FOR_S: Final = 30.0
"""So long the absence of credentials is believed: looking for them can mean to wait for a machine's metadata."""
_HOSTABLE: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_OTHER_PARTITIONS: Final = ("-iso", "eusc-")


class AbsentError(Exception):
    """There are no such credentials; the text says why."""


class Access:
    """One of the credentials to try for one bucket: `default` (botocore's chain: environment, profiles, SSO, roles,
    the machine's own), `env`, `profile:NAME` or `anonymous`; with the region and endpoint that go with it.

    For any number of threads of one process. Expiring credentials are renewed by botocore before they expire. Making
    one raises AbsentError where a profile is missing, MissingExtra where botocore is.
    """

    def __init__(self, name: str, bucket: str, region: str | None, endpoint_url: str | None, timeout_s: float) -> None:
        self.name = name
        self._bucket = bucket
        self._timeout_s = timeout_s
        plain = None if name.startswith("profile:") else plain_environment()
        self._plain = plain if plain is not None and (plain.keys or self.is_anonymous) else None
        self._found: Any = None if self._plain is None else self._plain.keys
        self._absent_until, self._absence = 0.0, ""
        self._client: Any = None
        # Botocore makes its parts on first use, and not for several threads at once.
        self._making = threading.RLock()
        self.origin: Origin
        self.path: str
        try:
            self._endpoint_url = endpoint_url or self._configured_endpoint()
            self.ca_bundle: str | None = self._variable("ca_bundle")
            self.set_region(region or self._variable("region") or "us-east-1")
        except _troubles() as e:  # a profile that is not there, or a file that cannot be parsed
            raise AbsentError(str(e)) from e

    @property
    def region(self) -> str:
        return self._signer.region

    @property
    def is_anonymous(self) -> bool:
        return self.name == "anonymous"

    def set_region(self, region: str) -> None:
        """Ask in this region from now on."""
        self._signer = Signer(region)
        self.origin, self.path = self._place(region)
        self._client = None

    def headers(self, method: str, path: str, extra: dict[str, str]) -> dict[str, str]:
        """What proves who asks, for an encoded path. Raises AbsentError."""
        if self.is_anonymous:
            return extra
        return self._signer.headers(self.keys(), method, self.origin.netloc, path, extra)

    def keys(self) -> Keys:
        """The credentials as they are now. Raises AbsentError."""
        if time.monotonic() < self._absent_until:
            raise AbsentError(self._absence)
        try:
            if self._found is None:
                self._found = self._look()
            keys: Keys = self._found.get_frozen_credentials()
        except _troubles() as e:
            raise self._absent(str(e)) from e
        return keys

    def client(self) -> Any:
        """Botocore's client of S3 with these credentials. Raises AbsentError where there are none."""
        if not self.is_anonymous:
            self.keys()
        with self._making:
            if self._client is None:
                self._client = self._make_client()
            return self._client

    def forget(self) -> None:
        """Look for the credentials anew when they are next wanted: they have expired, and somebody may have renewed
        them in the file that they came from, which botocore reads once."""
        if self._plain is None:
            with self._making:
                self.__dict__.pop("_session", None)
                self._found = None
                self.close()

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _look(self) -> Any:
        with self._making:
            return self._find()

    def _find(self) -> Any:
        if self.name == "env":
            from botocore.credentials import EnvProvider

            found = EnvProvider().load()
        else:
            found = self._session.get_credentials()
        if found is None:
            raise AbsentError("none are set")
        return found

    def _absent(self, reason: str) -> AbsentError:
        self._absence, self._absent_until = reason, time.monotonic() + _ABSENT_FOR_S
        return AbsentError(reason)

    def _make_client(self) -> Any:
        from botocore import UNSIGNED
        from botocore.config import Config

        config = Config(
            connect_timeout=min(self._timeout_s, 15.0), read_timeout=self._timeout_s, max_pool_connections=16,
            retries={"mode": "standard", "total_max_attempts": 6}, request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if self.path else "virtual"},
        )  # fmt: skip
        own: dict[str, Any] = {}
        if self.is_anonymous:
            config = config.merge(Config(signature_version=UNSIGNED))
        elif self.name == "env":
            keys = self.keys()
            own = {
                "aws_access_key_id": keys.access_key,
                "aws_secret_access_key": keys.secret_key,
                "aws_session_token": keys.token,
            }
        client = self._session.create_client(
            "s3", region_name=self.region, endpoint_url=self._endpoint_url, config=config, **own
        )
        client.meta.events.register("before-call.s3.HeadBucket", _redirected_by_nothing)
        return client

    def _place(self, region: str) -> tuple[Origin, str]:
        """Whom to ask, and what stands before an object's name in the path."""
        style = (self._scoped().get("s3") or {}).get("addressing_style", "auto")
        if self._endpoint_url is not None:
            origin, target = split_url(self._endpoint_url)
            if style != "virtual":
                return origin, f"{target.rstrip('/')}/{self._bucket}"
            return origin._replace(host=f"{self._bucket}.{origin.host}"), target.rstrip("/")
        host = self._amazon_host(region)
        if style == "path" or not _HOSTABLE.fullmatch(self._bucket):
            return Origin("https", host, 443), f"/{self._bucket}"
        return Origin("https", f"{self._bucket}.{host}", 443), ""

    def _amazon_host(self, region: str) -> str:
        if any(mark in region for mark in _OTHER_PARTITIONS):  # with domains of their own, which botocore's data hold
            client = self._session.create_client("s3", region_name=region)
            url = client.meta.endpoint_url
            client.close()
            return split_url(url)[0].host
        service = "s3-fips" if self._variable("use_fips_endpoint") else "s3"
        dual = ".dualstack" if self._variable("use_dualstack_endpoint") else ""
        return f"{service}{dual}.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"

    def _configured_endpoint(self) -> str | None:
        """AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or what the profile says."""
        if self._plain is not None:
            return self._plain.endpoint_url
        from botocore.configprovider import ConfiguredEndpointProvider

        if self._variable("ignore_configured_endpoint_urls"):
            return None
        provider = ConfiguredEndpointProvider(
            full_config=self._session.full_config, scoped_config=self._scoped(), client_name="s3"
        )
        url: str | None = provider.provide()
        return url

    @cached_property
    def _session(self) -> Session:
        return _session(self.name)

    def _variable(self, name: str) -> Any:
        if self._plain is not None:
            return {"region": self._plain.region, "ca_bundle": self._plain.ca_bundle}.get(name)
        return self._session.get_config_variable(name)

    def _scoped(self) -> dict[str, Any]:
        if self._plain is not None:
            return {}
        from botocore.exceptions import ProfileNotFound

        try:
            return dict(self._session.get_scoped_config())
        except ProfileNotFound:
            return {}


def _redirected_by_nothing(params: dict[str, Any], **_: object) -> None:
    """Redirected to no region, botocore asks HEAD of the bucket for it; redirected itself, that would ask HEAD of the
    bucket, and so on until the stack ends."""
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


def need_botocore() -> None:
    """Raises MissingExtra where it is not installed."""
    try:
        import botocore.session  # noqa: F401
    except ImportError as e:
        raise missing_extra("S3 needs boto3", "s3") from e


def _troubles() -> tuple[type[Exception], ...]:
    """What says that credentials or settings are not as they should be; a RuntimeError comes where a renewal brought
    credentials that have expired already."""
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError, RuntimeError, AbsentError


def names_for(credentials: Sequence[str]) -> tuple[str, ...]:
    """The credentials that mean something here. Raises InvalidUri for what means nothing anywhere."""
    return chosen(credentials, ("profile",), "name default, env, profile:NAME or anonymous") or ("default",)


def _session(name: str) -> Session:
    need_botocore()
    from botocore.session import Session

    kind, _, profile = name.partition(":")
    return Session(profile=profile if kind == "profile" else None)
