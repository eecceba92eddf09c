"""Four eyes, over HTTP: who may propose, see, approve and reject; what becomes of a proposal whose base moved."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from rainer.errors import UnavailableError
from rainer.journal import Journal
from rainer.model.identity import BOOTSTRAP
from rainer.proposals import ProposalTable
from tests.integration.proposing import POLICY, People, people


@pytest.fixture(scope="module")
def served() -> Iterator[People]:
    """One server for all; each test has keys of its own."""
    with people(lambda: Journal("memory:")) as found:
        yield found


def test_a_proposal_is_shown_approved_and_committed_with_both_names(served: People) -> None:
    assert served.commit("alice", "shown", 1, "one\ntwo\n").status == 200
    made = served.propose("alice", ("shown", 2, "one\n2\n"), ("new", 1, "x")).json()
    assert (made["state"], made["author"], made["identity"], made["comment"]) == ("open", "alice", "alice", "because")
    assert (made["approvals_needed"], made["approvals_standing"], made["approvals"]) == (1, 0, [])
    first, second = served.show("bob", made["id"]).json()["commits"]
    assert first["difference"] == "--- shown 1\n+++ shown 2\n@@ -1,2 +1,2 @@\n one\n-two\n+2"
    assert (first["payload_utf8"], first["base"]) == ("one\n2\n", {"version": 1, "payload_utf8": "one\ntwo\n"})
    assert second["base"] is None
    assert served.ask("bob", "GET", "/prod/shown/meta").json()["version"] == 1

    done = served.approve("bob", made["id"])
    assert (done.status, done.json()["state"], done.json()["decided_by"]) == (200, "committed", "bob")
    assert int(done.headers["x-rainer-revision"]) == done.json()["revision"]
    for key in ("shown", "new"):
        meta = served.ask("bob", "GET", f"/prod/{key}/meta?revisions=yes").json()
        assert (meta["author"], meta["approvedBy"], meta["proposal"]) == ("alice", "bob", made["id"])
        assert "identity" not in meta
    again = served.approve("bob", made["id"])
    assert (again.status, again.json()["revision"]) == (200, done.json()["revision"])
    late = served.approve("carol", made["id"])
    assert (late.status, late.code) == (409, "proposal-decided")
    assert "approved by bob" in late.json()["detail"]
    assert served.reject("carol", made["id"]).code == "proposal-decided"


def test_nobody_approves_their_own(served: People) -> None:
    mine = served.proposed("alice", ("own", 1, "1"))
    another_token = served.ask(BOOTSTRAP, "POST", "/-/tokens", {"name": "alice"}).json()["token"]
    served.tokens["alice again"] = another_token
    for who in ("alice", "alice again", "Alice"):
        answer = served.approve(who, mine)
        assert (answer.status, answer.code) == (403, "denied"), who
    assert served.approve("bob", mine, x_rainer_author="carol").status == 400
    assert served.state(mine) == "open"
    # A gateway speaks for people, and it is no other person than those it speaks for.
    by_gateway = served.proposed("gw", ("own", 1, "1"), author="bob")
    for who in ("gw", "bob"):
        answer = served.approve(who, by_gateway)
        assert (answer.status, answer.code) == (403, "denied"), who
        assert "nobody approves their own" in answer.json()["detail"]
    assert served.approve("gw", by_gateway, x_rainer_author="carol").status == 400
    assert served.approve("carol", by_gateway).status == 200
    meta = served.ask("bob", "GET", "/prod/own/meta?revisions=yes").json()
    assert (meta["author"], meta["identity"], meta["approvedBy"]) == ("bob", "gw", "carol")


def test_nobody_in_particular_neither_proposes_nor_decides(served: People) -> None:
    """He could be anybody, the one who proposed too, whatever the policy grants him."""
    answer = served.propose("", ("anonymous", 1, "1"), author="somebody")
    assert (answer.status, answer.code) == (403, "denied")
    proposal = served.proposed("alice", ("anonymous", 1, "1"))
    assert served.approve("", proposal).status == 403
    assert served.reject("", proposal).status == 403
    assert served.state(proposal) == "open"


def test_who_may_what(served: People) -> None:
    assert served.propose("mallory", ("may", 1, "1")).code == "denied"
    assert served.propose("paul", ("a-may", 1, "1"), ("may", 1, "1")).code == "denied"
    proposal = served.proposed("alice", ("a-may", 1, "1"), ("may", 1, "1"))
    assert served.approve("eve", proposal).code == "denied"  # may read and write, not approve
    assert served.reject("eve", proposal).code == "denied"
    for who in ("mallory", "paul"):  # who may not read all of it is not told that it is there
        assert proposal not in served.listed(who)
        for answer in (served.show(who, proposal), served.approve(who, proposal), served.reject(who, proposal)):
            assert (answer.status, answer.code) == (404, "not-found")
            assert answer.json()["detail"] == served.show(who, "pnothing").json()["detail"].replace(
                "pnothing", proposal
            )
    assert {proposal} <= set(served.listed("eve")) & set(served.listed("bob", "?state=open&namespace=prod"))
    assert proposal not in served.listed(BOOTSTRAP, "?namespace=test") + served.listed("bob", "?state=rejected")
    assert served.ask("bob", "GET", "/-/proposals?state=lost").status == 400
    assert served.reject("eve", proposal).status == 403
    assert served.reject("bob", proposal, " ").status == 400
    rejected = served.reject("bob", proposal, "not on a Friday")
    assert (rejected.status, rejected.json()["decision"]) == (200, "not on a Friday")
    answer = served.approve("carol", proposal)
    assert (answer.code, "not on a Friday" in answer.json()["detail"]) == ("proposal-decided", True)
    withdrawn = served.proposed("eve", ("may", 1, "2"))
    assert served.reject("eve", withdrawn, "a mistake").json()["state"] == "rejected"


def test_who_may_write_and_not_read_is_not_shown_what_would_be_replaced(served: People) -> None:
    assert served.commit("alice", "secret", 1, "hidden").status == 200
    made = served.propose("blind", ("secret", 2, "mine"))
    proposal = made.json()["id"]
    for answer in (made, served.show("blind", proposal)):
        assert b"hidden" not in answer.body
        assert answer.json()["commits"][0]["payload_utf8"] == "mine"
    assert b"hidden" in served.show("bob", proposal).body
    assert proposal in served.listed("blind")


def test_pages_of_proposals(served: People) -> None:
    made = [served.proposed("mallory", ("paged", 1, str(n)), namespace="test") for n in range(5)]
    found, path = [], "/-/proposals?limit=2"
    while path:
        page = served.ask("mallory", "GET", path).json()
        found += [one["id"] for one in page["proposals"]]
        path = f"/-/proposals?limit=2&before={page['next']}" if page["next"] else ""
    assert sorted(found) == sorted(made)
    assert served.ask("mallory", "GET", "/-/proposals?before=nothing").status == 404


@pytest.mark.parametrize("how", ["committed", "removed", "approved another"])
def test_a_proposal_whose_base_moved_is_stale(served: People, how: str) -> None:
    key = f"moved-{how[:7]}"
    assert served.commit("alice", key, 1, "1").status == 200
    first, second = (served.proposed("alice", (key, 2, text), (f"{key}-b", 1, "b")) for text in ("2", "two"))
    if how == "approved another":
        assert served.approve("bob", second).status == 200
    else:
        headers = {"x_rainer_empty": "yes"} if how == "removed" else {}
        assert served.commit("carol", key, 2, "" if headers else "3", **headers).status == 200
    assert first in served.listed("bob", "?state=stale")  # before anybody looked at it
    answer = served.approve("bob", first)
    assert (answer.status, answer.code) == (409, "proposal-stale")
    assert answer.json()["conflicts"][0]["key"] == key
    assert f"version 2 of '{key}' was proposed, and 3 is next" in answer.json()["detail"]
    assert f"rainer propose --again {first}" in answer.json()["hint"]
    shown = served.show("bob", first).json()
    assert (shown["state"], shown["conflicts"][0]["expectedVersion"]) == ("stale", 3)
    assert first not in served.listed("bob", "?state=open")
    assert served.reject("bob", first).code == "proposal-stale"


def test_a_proposal_is_checked_like_a_commit(served: People) -> None:
    assert served.commit("alice", "checked", 1, "1").status == 200
    conflict = served.propose("alice", ("checked", 1, "1"), ("checked-b", 1, "1"))
    assert (conflict.status, conflict.code) == (409, "version-conflict")
    assert [one["key"] for one in conflict.json()["conflicts"]] == ["checked"]
    broken = served.propose(BOOTSTRAP, ("policy", 2, "grants: 7"), namespace="rainer")
    assert (broken.status, broken.code) == (422, "invalid-document")
    assert broken.json()["detail"].startswith("commits[0]: ")
    assert served.propose("alice", ("x", 1, "1"), namespace="nothing").status in (403, 404)
    with_id = {"commits": [{"namespace": "prod", "key": "checked", "version": 2, "empty": True}]}
    assert served.ask("alice", "POST", "/-/proposals", with_id, x_rainer_commit_id="mine").status == 400
    two = [
        {"namespace": "prod", "key": k, "version": 1, "empty": True, "author": a}
        for k, a in (("t", "bob"), ("u", "carol"))
    ]
    answer = served.ask("gw", "POST", "/-/proposals", {"commits": two})
    assert (answer.status, "one author" in answer.json()["detail"]) == (400, True)


def test_the_policy_of_the_moment_of_approval_decides() -> None:
    with people(lambda: Journal("memory:")) as served:
        by_eve = served.proposed("eve", ("moment", 1, "1"))
        without_eve = POLICY.replace("[eve]", "[nobody]")
        served.set_document("policy", without_eve)
        answer = served.approve("bob", by_eve)
        assert (answer.status, "eve, who proposed this, may no longer write" in answer.json()["detail"]) == (403, True)
        served.set_document("policy", POLICY)
        assert served.approve("bob", by_eve).status == 200


def test_many_race_to_approve_and_one_commits(served: People) -> None:
    names = ("bob", "carol", "dave")
    with ThreadPoolExecutor(len(names)) as threads:
        for n in range(15):
            proposal = served.proposed("alice", ("raced", n + 1, str(n)), (f"raced-{n}", 1, ""))
            answers = dict(zip(names, threads.map(lambda who, p=proposal: served.approve(who, p), names), strict=True))
            won = [who for who, answer in answers.items() if answer.status == 200]
            assert len(won) == 1, answers
            assert {a.code for a in answers.values() if a.status != 200} == {"proposal-decided"}
            assert all(f"approved by {won[0]}" in a.json()["detail"] for a in answers.values() if a.status != 200)
            assert served.ask("bob", "GET", "/prod/raced/meta?revisions=yes").json()["approvedBy"] == won[0]


def test_one_approves_while_another_rejects_and_one_of_both_is_true(served: People) -> None:
    version = 1
    with ThreadPoolExecutor(2) as threads:
        for n in range(20):
            proposal = served.proposed("alice", ("split", version, str(n)))
            calls = [threads.submit(served.approve, "bob", proposal), threads.submit(served.reject, "carol", proposal)]
            approved, rejected = (call.result() for call in calls)
            assert sorted((approved.status, rejected.status)) == [200, 409], (approved, rejected)
            head = served.ask("bob", "GET", "/prod/split/meta")
            stands = head.status == 200 and head.json()["version"] == version
            assert stands == (approved.status == 200)
            assert served.state(proposal) == ("committed" if stands else "rejected")
            version += stands


def test_a_table_that_cannot_be_told_does_not_hide_the_commit(served: People, monkeypatch: pytest.MonkeyPatch) -> None:
    proposal = served.proposed("alice", ("untold", 1, "1"))

    def fail(*_: object) -> None:
        raise UnavailableError("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(ProposalTable, "settle", fail)
        done = served.approve("bob", proposal)
        assert (done.status, done.json()["state"], done.json()["decided_by"]) == (200, "committed", "bob")
    assert served.ask("bob", "GET", "/prod/untold/meta?revisions=yes").json()["revision"] == done.json()["revision"]
    assert served.show("carol", proposal).json()["decided_by"] == "bob"
    assert served.approve("carol", proposal).code == "proposal-decided"


def test_a_commit_that_took_the_proposals_id_is_not_the_proposal(served: People) -> None:
    proposal = served.proposed("alice", ("forged", 1, "1"))
    direct = {"x_rainer_commit_id": proposal, "x_rainer_comment": "because"}
    assert served.commit("alice", "forged", 1, "1", **direct).status == 200
    assert served.approve("bob", proposal).code == "proposal-stale"


def test_where_nobody_is_asked_who_he_is_nobody_proposes() -> None:
    from rainer.api import create_app
    from tests.asgi import calling

    with Journal("memory:") as journal, calling(lambda: create_app(journal)) as caller:
        body = b'{"author": "me", "commits": [{"key": "a", "version": 1, "payload_utf8": ""}]}'
        for path in ("/-/proposals", "/-/proposals/p1/approve", "/-/proposals/p1/reject"):
            answer = caller.ask("POST", path, None, body if path == "/-/proposals" else b'{"comment": "no"}')
            assert (answer.status, answer.code) == (403, "denied"), path
            assert "--identity" in answer.json()["hint"]
        assert caller.ask("GET", "/-/proposals").json() == {"proposals": [], "next": None}
