"""Four eyes on real servers: approvers race through several of them, and a server dies before its table knows."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from rainer.client import Client
from rainer.client.retries import Retries
from rainer.database.address import parse_address
from rainer.database.engine import open_engine, writing
from rainer.errors import ProposalDecided, ProposalStale, RainerError, VersionConflict
from rainer.journal import Journal
from tests.integration.proposing import BOOTSTRAP_TOKEN, POLICY
from tests.services.process_service import ProcessService
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

pytestmark = pytest.mark.faults
_APPROVERS = ("bob", "carol", "dave")
_PATIENCE_S = 60

Asking = Callable[[str], RainerServer]


@pytest.fixture
def serve(show_log: Callable[[ProcessService], None]) -> Iterator[Asking]:
    """Start a server that asks who everybody is on a database's URL, once or more often."""
    with ExitStack() as stack:

        def start(database: str) -> RainerServer:
            environment = {"RAINER_IDENTITY": "yes", "RAINER_BOOTSTRAP_TOKEN": BOOTSTRAP_TOKEN}
            server = RainerServer(database, environment=environment)
            show_log(server)
            return stack.enter_context(server)

        yield start


@pytest.fixture
def clients() -> Iterator[Callable[[RainerServer], dict[str, Client]]]:
    """Clients of everybody to one server or the other; whoever comes first makes policy and tokens."""
    tokens: dict[str, str] = {}
    with ExitStack() as stack:

        def make(server: RainerServer) -> dict[str, Client]:
            if not tokens:
                with Client(f"{server.url}/rainer", token=BOOTSTRAP_TOKEN) as boss:
                    boss.create_namespace("rainer", format="yaml")
                    boss.create_namespace("prod")
                    boss.commit("policy", POLICY.encode(), version=1)
                    tokens.update({name: boss.create_token(name)["token"] for name in ("alice", *_APPROVERS)})
            found = {
                name: stack.enter_context(Client(f"{server.url}/prod", token=token, retries=Retries(0)))
                for name, token in tokens.items()
            }  # fmt: skip
            wait_until(lambda: _outcome(found["alice"].heads) is None, _PATIENCE_S, "a server to know the policy")
            return found

        yield make


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"])
def test_approvers_race_through_two_servers_and_one_commits(
    database: str, request: pytest.FixtureRequest, serve: Asking, clients: Callable[[RainerServer], dict[str, Client]],
    thorough: bool, seed: int,
) -> None:  # fmt: skip
    """Beside them somebody commits one of the keys directly now and then, so that some proposals become stale."""
    _quick_on_one(database, thorough)
    url, chance = request.getfixturevalue(f"{database}_url"), random.Random(seed)
    people = [clients(serve(url)), clients(serve(url))]
    done, versions = 0, {"a": 0, "b": 0}
    alice = people[0]["alice"]
    with ThreadPoolExecutor(len(_APPROVERS) + 1) as threads:
        for n in range(150 if thorough else 10):
            drafts = [alice.draft(key, b"%d" % n, version=version + 1) for key, version in versions.items()]
            proposal = alice.propose(drafts, comment="why")["id"]
            calls = {
                name: threads.submit(_outcome, lambda who=people[at % 2][name], p=proposal: who.approve(p))
                for at, name in enumerate(_APPROVERS, n)
            }  # fmt: skip
            if chance.random() < 0.3:
                calls["alice"] = threads.submit(
                    _outcome, lambda v=versions["b"], n=n: alice.commit("b", b"direct %d" % n, version=v + 1)
                )  # fmt: skip
            outcomes = {name: call.result() for name, call in calls.items()}
            direct = outcomes.pop("alice", VersionConflict)
            won = [name for name, outcome in outcomes.items() if outcome is None]
            assert len(won) + (direct is None) == 1, outcomes
            others = {outcome for outcome in outcomes.values() if outcome is not None}
            assert others <= {ProposalDecided if won else ProposalStale}
            assert direct in (None, VersionConflict)
            heads = people[1]["bob"].heads()
            if won:
                done += 1
                versions = {key: version + 1 for key, version in versions.items()}
                assert {heads[key].payload for key in versions} == {b"%d" % n}
                assert {heads[key].author for key in versions} == {"alice"}
                marks = heads["a"].marks
                assert marks is not None
                assert (marks.approved_by, marks.proposal) == (won[0], proposal)
            else:
                versions["b"] += 1
            states = {one["bob"].proposal(proposal)["state"] for one in people}
            assert states == {"committed" if won else "stale"}
    assert done
    with Journal(url) as journal:
        assert journal.verify().ok
        assert len([c for c in journal.changes(namespace="prod").commits if c.marks is not None]) == 2 * done


def _quick_on_one(database: str, thorough: bool) -> None:
    if database == "mariadb" and not thorough:
        pytest.skip("the same as on PostgreSQL: only where tests/faults alone is asked for")


def _outcome(call: Callable[[], object]) -> type[RainerError] | None:
    try:
        call()
    except RainerError as e:
        return type(e)
    return None


@pytest.mark.parametrize("database", ["postgresql", "mariadb"])
def test_a_server_killed_between_the_commit_and_its_table(
    database: str, request: pytest.FixtureRequest, serve: Asking, clients: Callable[[RainerServer], dict[str, Client]]
) -> None:
    """Somebody holds the proposal's row, so that the commit stands and the table cannot be told of it."""
    url = request.getfixturevalue(f"{database}_url")
    server, other = serve(url), serve(url)
    people, beside = clients(server), clients(other)
    proposal = people["alice"].propose([{"key": "k", "payload": b"1", "version": 1}], comment="why")["id"]
    engine = open_engine(parse_address(url))
    try:
        with writing(engine) as held, ThreadPoolExecutor(1) as threads:
            held.execute(sa.text("SELECT id FROM proposals FOR UPDATE"))
            call = threads.submit(_outcome, lambda: people["bob"].approve(proposal))
            wait_until(lambda: "k" in beside["bob"].heads(), _PATIENCE_S, "the commit")
            server.kill()
            assert call.result(_PATIENCE_S) is not None
            assert held.execute(sa.text("SELECT state FROM proposals")).scalar() == "open"
    finally:
        engine.dispose()
    server.start()
    assert people["bob"].approve(proposal)["state"] == "committed"  # he asks again, for he heard nothing
    with pytest.raises(ProposalDecided, match="approved by bob"):
        beside["carol"].approve(proposal)
    with pytest.raises(ProposalDecided, match="approved by bob"):
        beside["carol"].reject(proposal, "no")
    found = beside["alice"].proposal(proposal)
    assert (found["state"], found["decided_by"]) == ("committed", "bob")
    assert len(beside["alice"].log("k")) == 1


@pytest.mark.parametrize("database", ["postgresql", "mariadb"])
def test_a_server_killed_before_the_commit(
    database: str, request: pytest.FixtureRequest, serve: Asking, clients: Callable[[RainerServer], dict[str, Client]]
) -> None:
    """Somebody holds the journal, so that the approver's server dies while its commit waits for the lock.

    What a dead client has sent, a database may still do. Whatever it does, once, all are told the same.
    """
    url = request.getfixturevalue(f"{database}_url")
    server, other = serve(url), serve(url)
    people, beside = clients(server), clients(other)
    proposal = people["alice"].propose([{"key": "k", "payload": b"1", "version": 1}], comment="why")["id"]
    engine = open_engine(parse_address(url))
    try:
        with writing(engine) as held, ThreadPoolExecutor(1) as threads:
            held.execute(sa.text("SELECT * FROM journal FOR UPDATE"))
            call = threads.submit(_outcome, lambda: people["bob"].approve(proposal))
            wait_until(lambda: _waiting(engine), _PATIENCE_S, "the approver's commit to wait")
            server.kill()
            assert call.result(_PATIENCE_S) is not None
            assert "k" not in beside["alice"].heads()
            assert beside["alice"].proposal(proposal)["state"] == "open"
    finally:
        engine.dispose()
    outcome = _outcome(lambda: beside["carol"].approve(proposal))
    assert outcome in (None, ProposalDecided)
    server.start()
    found = [one["alice"].proposal(proposal) for one in (people, beside)]
    decider = "carol" if outcome is None else "bob"
    assert [(one["state"], one["decided_by"]) for one in found] == [("committed", decider)] * 2
    (commit,) = people["alice"].log("k")
    assert commit.marks is not None
    assert commit.marks.approved_by == decider


def _waiting(engine: sa.Engine) -> bool:
    """Whether a transaction waits for a lock."""
    query = {
        "postgresql": "SELECT count(*) FROM pg_locks WHERE NOT granted",
        "mysql": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
    }
    with engine.connect() as connection:
        return bool(connection.execute(sa.text(query[engine.dialect.name])).scalar())


@pytest.mark.parametrize("database", ["postgresql", "mariadb"])
def test_a_server_killed_at_any_moment_of_an_approval(
    database: str, request: pytest.FixtureRequest, serve: Asking, clients: Callable[[RainerServer], dict[str, Client]],
    thorough: bool, seed: int,
) -> None:  # fmt: skip
    """Another approves at the same time through the other server: one of both commits, once, and all say who."""
    _quick_on_one(database, thorough)
    url, chance = request.getfixturevalue(f"{database}_url"), random.Random(seed)
    server, other = serve(url), serve(url)
    people, beside = clients(server), clients(other)
    for n in range(20 if thorough else 1):
        proposal = beside["alice"].propose([{"key": "k", "payload": b"%d" % n, "version": n + 1}], comment="why")["id"]
        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(_outcome, lambda p=proposal: people["bob"].approve(p))
            second = threads.submit(_outcome, lambda p=proposal: beside["carol"].approve(p)) if n % 2 == 0 else None
            threading.Event().wait(chance.uniform(0.0, 0.05))  # a moment as good as any other
            server.kill()
            told = {"bob": first.result(_PATIENCE_S), "carol": second.result(_PATIENCE_S) if second else None}
        if second is None:
            told["carol"] = _outcome(lambda p=proposal: beside["carol"].approve(p))
        assert told["carol"] in (None, ProposalDecided)
        server.start()
        decider = "carol" if told["carol"] is None else "bob"
        assert decider == "bob" or told["bob"] is not None
        for one in (people, beside):
            found = one["alice"].proposal(proposal)
            assert (found["state"], found["decided_by"]) == ("committed", decider)
            head = one["alice"].get("k")
            assert (head.version, head.payload) == (n + 1, b"%d" % n)
            assert head.marks is not None
            assert (head.marks.approved_by, head.marks.proposal) == (decider, proposal)
