"""One writer: reads a head, commits the next version, and writes down what it was told."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from tests.faults.connections import Answer, Connections, NoAnswerError, NotSentError
from tests.faults.history import Attempt, HeadRead, History, Outcome

_NAMESPACE = "diary"
_REPETITIONS_MAX = 5
_REST_S = 0.05
_SAID_BYTES_MAX = 300


class Writer(threading.Thread):
    """Asks the first of its servers, another when that one does not answer, and with `roaming` also for no reason."""

    def __init__(
        self, name: str, servers: Sequence[str], keys: Sequence[str], *, seed: int, timeout_s: float,
        roaming: float, ended: threading.Event,
    ) -> None:  # fmt: skip
        super().__init__(name=name)
        self.history = History()
        self._random = random.Random(seed)
        self._servers, self._keys = servers, keys
        self._server = servers[0]
        self._roaming = roaming
        self._connections = Connections(timeout_s)
        self._ended = ended
        self._number = 0
        self._newest: dict[str, int] = {}

    def run(self) -> None:
        try:
            while not self._ended.is_set():
                self._work()
        except Exception as e:
            self.history.surprises.append(f"{self.name} failed: {e!r}")
            raise
        finally:
            self._connections.close()

    def _work(self) -> None:
        roams = self._random.random() < self._roaming
        self._server = self._random.choice(self._servers) if roams else self._servers[0]
        key = self._random.choice(self._keys)
        version = self._read(key)
        if version is None:
            version = self._newest.get(key, 0)  # a server that cannot read may still be asked to commit
        attempt = self._post(self._draft(key, version + 1))
        # Some give up where they cannot know; the others insist, perhaps with another server.
        insists = self._random.random() < 0.7
        for _ in range(_REPETITIONS_MAX):
            if attempt.outcome is not Outcome.UNKNOWN or not insists or self._ended.is_set():
                break
            attempt = self._post(attempt)

    def _draft(self, key: str, version: int) -> Attempt:
        self._number += 1
        commit_id = f"{self.name}-{self._number}"
        payload = f"{commit_id} {self._random.getrandbits(64):016x}".encode()
        removes = version > 1 and self._random.random() < 0.05
        return Attempt(self.name, key, version, None if removes else payload, commit_id, 0, 0, Outcome.UNKNOWN)

    def _read(self, key: str) -> int | None:
        """The version of the head, 0 if there is none; None where nobody answers."""
        begun = time.monotonic()
        try:
            answer = self._connections.ask(self._server, "GET", f"/{_NAMESPACE}/{key}")
        except (NotSentError, NoAnswerError):
            self._turn()
            return None
        ended = time.monotonic()
        if answer.status == 404 and answer.body == b"Key not found":
            self.history.reads.append(HeadRead(key, begun, ended, 0))
            return 0
        if answer.status != 200:
            self._unavailable("GET", answer)
            return None
        headers = answer.headers
        version = int(headers["X-Rainer-Version"])
        payload = None if headers["X-Rainer-Empty"] == "Yes" else answer.body
        revision = int(headers["X-Rainer-Commit-Revision"])
        self.history.reads.append(HeadRead(key, begun, ended, version, revision, payload))
        self._newest[key] = version
        return version

    def _post(self, draft: Attempt) -> Attempt:
        server, begun = self._server, time.monotonic()
        outcome, revision, code = self._send(draft)
        attempt = replace(
            draft, begun=begun, ended=time.monotonic(), outcome=outcome, revision=revision, server=server, code=code
        )
        self.history.attempts.append(attempt)
        return attempt

    def _send(self, draft: Attempt) -> tuple[Outcome, int | None, str]:
        headers = {"X-Rainer-Author": draft.writer, "X-Rainer-Commit-Id": draft.commit_id}
        if draft.payload is None:
            headers["X-Rainer-Empty"] = "yes"
        path = f"/{_NAMESPACE}/{draft.key}/{draft.version}"
        try:
            answer = self._connections.ask(self._server, "POST", path, headers, draft.payload or b"")
        except NotSentError:
            self._turn()
            return Outcome.REFUSED, None, "not sent"
        except NoAnswerError:
            self._turn()
            return Outcome.UNKNOWN, None, "no answer"
        if answer.status == 200:
            return Outcome.ACKED, int(answer.headers["X-Rainer-Commit-Revision"]), ""
        if answer.status == 409:
            return Outcome.CONFLICT, None, ""
        code = self._unavailable("POST", answer)
        return (Outcome.REFUSED if code == "unavailable" else Outcome.UNKNOWN), None, code

    def _unavailable(self, method: str, answer: Answer) -> str:
        """The code of a 503; any other answer is one that no server should give here."""
        code = json.loads(answer.body).get("code", "") if answer.status == 503 else ""
        if code not in ("unavailable", "outcome-unknown"):
            said = answer.body[:_SAID_BYTES_MAX].decode("utf-8", "replace")
            self.history.surprises.append(f"{answer.status} to a {method}: {said}")
        self._turn()
        return code

    def _turn(self) -> None:
        """Rest for a moment, then try the next server."""
        self._ended.wait(_REST_S)
        self._server = self._servers[(self._servers.index(self._server) + 1) % len(self._servers)]
