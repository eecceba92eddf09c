"""Who takes part: Rainer as in production, one transaction per request, etcd; each says how many writes it has kept."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.load import KEYS, PAYLOAD_BYTES, WrongMeasure
from tests.services.etcd import Etcd
from tests.services.postgresql import PostgreSQL
from tests.services.process_service import ProcessService
from tests.services.rainer import RainerServer

_TOP = Path(__file__).resolve().parents[2]
_TRANSACTION_OPERATIONS = 100  # etcd takes 128 at most


def ask(url: str, body: Any = None, token: str = "") -> bytes:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=120) as answer:
        found: bytes = answer.read()
        return found


class Rainer(RainerServer):
    """`rainer serve` with its default options, its log in a file."""

    token = ""
    """What it is asked with."""

    def start(self) -> None:
        """Start it, and refuse to measure a database that could lose an acknowledged commit."""
        super().start()
        faults = self.status()["durability_faults"]
        if faults:
            raise WrongMeasure(f"this database is not durable: {', '.join(faults)}")

    def status(self) -> dict[str, Any]:
        """Its own word on itself."""
        found: dict[str, Any] = json.loads(ask(f"{self.url}/-/status", token=self.token))
        return found

    def kept(self) -> int:
        return int(self.status()["revision"])

    def groups(self) -> tuple[int, int]:
        """Commits kept, and the transactions that kept them, since it started."""
        text = ask(f"{self.url}/-/metrics", token=self.token).decode()
        return _counter(text, "rainer_commits_total"), _counter(text, "rainer_groups_total")

    def fill(self, keys: Sequence[str]) -> None:
        """First versions of these keys, as one changeset."""
        commits = [{"key": key, "version": 1, "payload_utf8": "x" * PAYLOAD_BYTES} for key in keys]
        ask(f"{self.url}/-/changesets", {"author": "bench", "comment": "to be read", "commits": commits})


def _counter(text: str, name: str) -> int:
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    return int(float(found[1])) if found else 0


class OneTransaction(ProcessService):
    """The app of one_transaction.py on a database."""

    name = "one transaction per request"
    # uvicorn passes the signal that ended it on to itself.
    stop_exit_codes = (0, -15)

    def __init__(self, database: str | None = None) -> None:
        super().__init__(environment=os.environ | {"PYTHONPATH": str(_TOP)})
        self._database = database

    @classmethod
    def available(cls) -> str | None:
        return None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _prepare(self) -> None:
        if self._database is None:
            self._database = f"sqlite:///{self.folder / 'commits.db'}"

    def _command(self) -> Sequence[str]:
        app = (sys.executable, "-m", "tests.benchmarks.one_transaction")
        return [*app, "--port", str(self.port), "--database", str(self._database)]

    def _answers(self) -> bool:
        try:
            self.kept()
        except OSError:
            return False
        return True

    def kept(self) -> int:
        return int(ask(f"{self.url}/count"))


class EtcdPeer(Etcd):
    """etcd behind its JSON gateway, with its default of one fsync before each answer."""

    name = "etcd"

    def kept(self) -> int:
        found = self._range({"key": _base64("a")})
        return int(found["header"]["revision"])

    def fill(self, keys: Sequence[str]) -> None:
        """First values of these keys."""
        value = _base64("x" * PAYLOAD_BYTES)
        puts = [{"requestPut": {"key": _base64(key), "value": value}} for key in keys]
        for start in range(0, len(puts), _TRANSACTION_OPERATIONS):
            ask(f"{self.url}/v3/kv/txn", {"success": puts[start : start + _TRANSACTION_OPERATIONS]})
        everything = {"key": _base64("\0"), "range_end": _base64("\0"), "count_only": True}
        found = int(self._range(everything)["count"])
        if found < len(keys):
            raise WrongMeasure(f"etcd holds {found} keys, not {len(keys)}")

    def _range(self, body: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(ask(f"{self.url}/v3/kv/range", body))
        return found


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def read_keys(prefix: str) -> list[str]:
    """The keys that wrk's reads ask for."""
    return [f"{prefix}{n}" for n in range(KEYS)]


def check_durable(database: PostgreSQL) -> None:
    """The settings that every session on this server begins with, asked for and not believed."""
    with psycopg.connect(database.admin_url) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            found = connection.execute(f"SHOW {name}").fetchone()
            if found != ("on",):
                raise WrongMeasure(f"PostgreSQL's {name} is {found}, not on")
