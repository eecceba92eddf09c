"""Load from wrk, one thread of it, and the proof that what it counted is what the server kept."""

from __future__ import annotations

import itertools
import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from tests.services.machine import find_binary
from tests.services.waiting import wait_until

CONNECTIONS: Final = 64
KEYS: Final = 2_000
PAYLOAD_BYTES: Final = 256
_STILL: Final = 10
_ATTEMPTS: Final = 5  # on a machine that starves, a second may pass without a single answer
_ROUNDS_WITHOUT_TARGET: Final = 3

_SCRIPT: Final = Path(__file__).with_name("requests.lua")
_prefixes = (f"r{n}-" for n in itertools.count(1))


class WrongMeasure(Exception):
    """What was measured is not what the table would say: no figure at all is better than that one."""


class Peer(Protocol):
    """A server under load: where it listens, and how many writes it has kept since it began."""

    name: str

    @property
    def url(self) -> str: ...

    def kept(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How much a run does: rounds, seconds of each measure and of the warm-up before it, heads, HTTP mirrors, and
    which share of the objects is fetched."""

    rounds: int
    seconds: int
    warm_up_s: int
    heads: int
    http_mirrors: int = 1_000
    objects_share: float = 1.0

    def without_target(self) -> Pace:
        """The pace for figures that are only told, so that the whole run stays below five minutes."""
        return replace(self, rounds=min(self.rounds, _ROUNDS_WITHOUT_TARGET))


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def missing_wrk() -> str | None:
    """Why there can be no load, or None."""
    return None if find_binary("wrk") else "wrk not found in PATH"


def write(peer: Peer, kind: str, pace: Pace, connections: int = CONNECTIONS, token: str = "") -> Load:
    """Writes (`commit`, `document`, `put`) of distinct keys whose versions rise; each one that is counted was kept."""
    if pace.warm_up_s:
        _drive(peer, kind, next(_prefixes), connections, pace.warm_up_s, token)
    for _ in range(_ATTEMPTS):
        before = _settled(peer)
        load = _drive(peer, kind, next(_prefixes), connections, pace.seconds, token)
        kept = _settled(peer) - before
        # When wrk stops, each connection may have one request under way that is kept and never counted.
        if not load.requests <= kept <= load.requests + connections:
            raise WrongMeasure(f"{peer.name} answered {load.requests} writes and kept {kept}")
        if load.requests:
            return load
    raise _no_answer(peer)


def read(peer: Peer, kind: str, pace: Pace, prefix: str) -> Load:
    """Reads (`get` or `range`) of the keys that begin with `prefix`."""
    if pace.warm_up_s:
        _drive(peer, kind, prefix, CONNECTIONS, pace.warm_up_s)
    for _ in range(_ATTEMPTS):
        load = _drive(peer, kind, prefix, CONNECTIONS, pace.seconds)
        if load.requests:
            return load
    raise _no_answer(peer)


def _no_answer(peer: Peer) -> WrongMeasure:
    return WrongMeasure(f"{peer.name} answered nobody in {_ATTEMPTS} attempts")


def _settled(peer: Peer) -> int:
    """How much is kept, once nothing of an earlier load is under way any more: the same many times in a row."""
    seen = [peer.kept()]

    def is_settled() -> bool:
        seen.append(peer.kept())
        return len(set(seen[-_STILL:])) == 1 and len(seen) >= _STILL

    wait_until(is_settled, 60, f"the end of earlier writes at {peer.name}")
    return seen[-1]


def _drive(peer: Peer, kind: str, prefix: str, connections: int, seconds: int, token: str = "") -> Load:
    """One run of wrk; anything but answers of success makes it worthless."""
    command = [
        *(str(find_binary("wrk")), "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"),
        *("--timeout", "20s", "--script", str(_SCRIPT), peer.url),
        *("--", kind, prefix, str(KEYS), str(PAYLOAD_BYTES), *([token] if token else [])),
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    last = done.stdout.rstrip().rpartition("\n")[2]
    if done.returncode or not last.startswith("{"):
        raise WrongMeasure(f"wrk failed at {peer.name}: {done.stdout}{done.stderr}")
    found = json.loads(last)
    load = Load(
        found["requests"], found["microseconds"] / 1e6, found["refused"], found["broken"],
        found["p50_us"] / 1e3, found["p99_us"] / 1e3,
    )  # fmt: skip
    if load.refused or load.broken:
        raise WrongMeasure(
            f"{peer.name}, {kind}: {load.requests} answers, {load.refused} refused, {load.broken} broken"
        )
    return load
