"""What it costs commits that everybody is asked who he is, and that payloads are held to a schema."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final

from tests.benchmarks import load
from tests.benchmarks.load import Pace
from tests.benchmarks.peers import Rainer, ask
from tests.benchmarks.report import Results
from tests.benchmarks.rounds import interleave

ROWS: Final = ("identity/sqlite", "identity/sqlite/cost")
_BOOTSTRAP: Final = "the-bootstrap-token-of-this-measure"
_GRANTS: Final = 50
_SCHEMA: Final = {
    "type": "object",
    "required": ["retries", "text"],
    "properties": {
        "retries": {"type": "integer", "minimum": 0, "maximum": 10},
        "hosts": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
        "ratio": {"type": "number"},
        "text": {"type": "string", "maxLength": 1_000},
    },
    "additionalProperties": False,
}


class Held(Rainer):
    """A server with identity on, a policy of 50 grants of which the last is the writer's, and a schema for his keys."""

    name = "rainer with identity and a schema"
    token = _BOOTSTRAP

    def __init__(self) -> None:
        super().__init__(arguments=("--identity",), environment={"RAINER_BOOTSTRAP_TOKEN": _BOOTSTRAP})
        self.writers_token = ""

    def start(self) -> None:
        super().start()
        grants = [{"who": [f"team-{n}"], "may": ["read", "write"], "on": [f"space-{n}/*"]} for n in range(_GRANTS - 1)]
        grants.append({"who": ["bench"], "may": ["read", "write"], "on": ["diary/r*"]})
        self._ask("/-/namespaces", {"name": "rainer", "format": "yaml"})
        self._ask("/rainer/policy/1", {"grants": grants})
        self._ask("/rainer/schema.app/1", _SCHEMA)
        self._ask("/rainer/rules/1", {"rules": [{"on": "diary/r*", "schema": "app"}]})
        self.writers_token = json.loads(self._ask("/-/tokens", {"name": "bench"}))["token"]

    def _ask(self, path: str, body: Any) -> bytes:
        return ask(f"{self.url}{path}", body, self.token)


def on_sqlite(pace: Pace, results: Results) -> None:
    """The same documents from 64 writers: to a server that asks nobody anything, and to one that does.

    The requests are the same but for the token's header, which wrk puts together once: to send and read it
    is part of what identity costs.
    """
    with Rainer() as open_mode, Held() as held:
        measures = {
            "open": partial(load.write, open_mode, "document", pace),
            "held": partial(load.write, held, "document", pace, token=held.writers_token),
        }
        # Of a difference of some per cent a few rounds tell little: the disk alone makes more from one to the next.
        found = interleave(measures, 3 * pace.rounds - 2, to_and_fro=True)
    rates = {name: [one.rate for one in loads] for name, loads in found.items()}
    results.record("identity/sqlite", rates["held"], rates["open"])
    pairs = zip(rates["held"], rates["open"], strict=True)
    results.record("identity/sqlite/cost", [100 * (1 - held / bare) for held, bare in pairs])
