"""A commit's answer names the lineage that the commit stands in, whatever becomes of the journal meanwhile."""

from __future__ import annotations

import json

import pytest

from rainer.api import create_app
from rainer.journal import Journal
from rainer.journal.administration import adopt_engine
from rainer.journal.group import Plan
from tests.integration.hosted import hosted
from tests.integration.wire import Answer, ask, commit


def post_changeset(url: str, key: str) -> Answer:
    body = {"author": "me", "commits": [{"key": key, "version": 1, "payload_utf8": "x"}]}
    return ask(url, "POST", "/-/changesets", {}, json.dumps(body).encode())


@pytest.mark.parametrize("call", [lambda url, key: commit(url, key, 1), post_changeset], ids=["commit", "changeset"])
def test_an_answer_that_is_overtaken_by_another_lineage(call: object) -> None:
    """The next group has failed, or found another history, before the answer to this one is made."""
    with Journal("memory:") as journal:
        app = create_app(journal)
        with hosted(app) as url:
            assert commit(url, "before", 1).status == 200
            live = app.service.live
            seen: list[str] = []

            def overtake(plan: Plan) -> None:
                seen.append(plan.after.lineage)
                adopt_engine(journal.engine)
                state = live.committer.known.state
                assert state is not None
                live.committer.known.state = state._replace(lineage="another")

            live.on_group(overtake)
            for number in range(3):
                answer = call(url, f"k{number}")  # type: ignore[operator]
                assert (answer.status, answer.header("X-Rainer-Lineage")) == (200, seen[-1])
        assert len(set(seen)) == 3
