"""Four eyes by rule: keys that change only with approval, of how many, and under the rules of that moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from rainer.journal import Journal
from rainer.model.identity import BOOTSTRAP
from tests.integration.proposing import POLICY, people

RULES = """
rules:
  - {on: "prod/db*", approvals: 1}
  - {on: "prod/db.two*", approvals: 2}
"""


def test_keys_that_change_only_with_approval() -> None:
    with people(lambda: Journal("memory:")) as served:
        served.proposed("alice", ("free", 1, "counted"))
        assert b"rainer_proposals_open 1.0" in served.ask("bob", "GET", "/-/metrics").body
        assert served.commit("alice", "db.old", 1, "1").status == 200
        served.set_document("rules", RULES)
        for who in ("alice", BOOTSTRAP):
            answer = served.commit(who, "db.old", 2, "2")
            assert (answer.status, answer.code) == (403, "approval-required")
            assert "`rainer propose db.old`" in answer.json()["hint"]
        both = {"commits": [{"namespace": "prod", "key": k, "version": 1, "empty": True} for k in ("free", "db.new")]}
        answer = served.ask("alice", "POST", "/-/changesets", both)
        assert (answer.code, answer.json()["detail"][:11]) == ("approval-required", "commits[1]:")
        assert served.commit("alice", "free", 1, "1").status == 200

        proposal = served.proposed("alice", ("db.old", 2, "2"))
        assert served.approve("bob", proposal).json()["state"] == "committed"
        forced = served.commit("forcer", "db.old", 3, "3", x_rainer_force="yes", x_rainer_comment="it burns")
        assert forced.status == 200, forced.body
        meta = served.ask("bob", "GET", "/prod/db.old/meta?revisions=yes").json()
        assert (meta["author"], meta["forced"]) == ("forcer", True)
        assert served.commit("alice", "db.old", 4, "4", x_rainer_force="yes", x_rainer_comment="me too").status == 403


def test_two_approvals_are_of_two_people_and_count_at_the_moment_of_the_last() -> None:
    with people(lambda: Journal("memory:")) as served:
        served.set_document("rules", RULES)
        proposal = served.proposed("alice", ("db.two", 1, "1"), ("free", 1, "1"))
        assert served.show("bob", proposal).json()["approvals_needed"] == 2
        for who in ("bob", "bob", "bob"):
            answer = served.approve(who, proposal)
            assert (answer.status, answer.json()["state"]) == (200, "open")
            assert (answer.json()["approvals_standing"], len(answer.json()["approvals"])) == (1, 1)
        # Whoever may not approve any more has not approved.
        served.set_document("policy", POLICY.replace("bob", "robert"))
        assert served.approve("carol", proposal).json()["state"] == "open"
        served.set_document("policy", POLICY)
        done = served.approve("dave", proposal)
        assert (done.json()["state"], done.json()["decided_by"]) == ("committed", "bob, carol, dave")
        assert served.approve("bob", proposal).status == 200
        assert served.ask("bob", "GET", "/prod/free/meta?revisions=yes").json()["approvedBy"] == "bob, carol, dave"


def test_the_rules_of_the_moment_of_approval_decide() -> None:
    with people(lambda: Journal("memory:")) as served:
        proposal = served.proposed("alice", ("db.rose", 1, "1"))
        served.set_document("rules", RULES.replace('db*", approvals: 1', 'db*", approvals: 2'))
        assert served.approve("bob", proposal).json()["state"] == "open"
        served.set_document("rules", RULES)
        assert served.approve("bob", proposal).json()["state"] == "committed"

        shrinking = served.proposed("alice", ("db.rose", 2, "{}"))
        schema = '{"type": "object", "required": ["name"]}'
        served.set_document("schema.named", schema)
        served.set_document("rules", RULES + '  - {on: "prod/db.new*", schema: named}\n')
        fine = served.proposed("alice", ("db.new", 1, '{"name": 1}'))
        bad = served.propose("alice", ("db.new", 1, "{}"))
        assert (bad.status, bad.code) == (422, "rule-broken")
        served.set_document("schema.named", schema.replace("name", "title"))
        refused = served.approve("bob", fine)
        assert (refused.status, refused.code, served.state(fine)) == (422, "rule-broken", "open")
        assert served.approve("bob", shrinking).status == 200


def test_approvals_of_many_at_once_are_all_kept() -> None:
    with people(lambda: Journal("memory:")) as served, ThreadPoolExecutor(3) as threads:
        served.set_document("rules", RULES.replace("approvals: 2", "approvals: 3"))
        for n in range(5):
            proposal = served.proposed("alice", ("db.two", n + 1, str(n)))
            answers = list(threads.map(lambda who, p=proposal: served.approve(who, p), ("bob", "carol", "dave")))
            assert [answer.status for answer in answers] == [200] * 3
            found = served.show("bob", proposal).json()
            assert (found["state"], sorted(found["decided_by"].split(", "))) == ("committed", ["bob", "carol", "dave"])
