"""The policy in force: at once where it is committed, soon elsewhere; who follows hears of it; nobody is locked out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from rainer.access import AccessOptions
from rainer.api import create_app
from rainer.journal import Journal
from rainer.service import ServiceOptions
from tests.asgi import Answered, Caller, calling
from tests.services.waiting import wait_until

pytestmark = pytest.mark.may_leak("the server runs in this process, and begins its threads when it needs them")

BOOTSTRAP: Final = "a-bootstrap-token-of-these-tests"
ALL: Final = {"who": ["root"], "may": ["admin"], "on": ["*"]}


class Ruled:
    """A server and its policy."""

    def __init__(self, caller: Caller) -> None:
        self.caller, self.version = caller, 0
        self.post("/-/namespaces", {"name": "rainer", "format": "yaml"}, 201)
        for key in ("a", "b"):
            assert caller.ask("POST", f"/diary/{key}/1", BOOTSTRAP, key.encode()).status == 200
        self.alice = self.token("alice")

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        answer = self.caller.ask("POST", path, BOOTSTRAP, json.dumps(body).encode())
        assert answer.status == status, answer.body
        return answer.json()

    def token(self, name: str) -> dict[str, str]:
        found: dict[str, str] = self.post("/-/tokens", {"name": name}, 201)
        return found

    def enact(self, *grants: dict[str, Any], token: str = BOOTSTRAP, status: int = 200) -> Answered:
        body = json.dumps({"grants": list(grants)}).encode()
        answer = self.caller.ask("POST", f"/rainer/policy/{self.version + 1}", token, body)
        assert answer.status == status, answer.body
        self.version += answer.status == 200
        return answer

    def may_read(self, *on: str) -> None:
        """Let alice read exactly these places."""
        self.enact(ALL, {"who": ["alice"], "may": ["read"], "on": list(on)}) if on else self.enact(ALL)

    def ask(self, path: str) -> Answered:
        return self.caller.ask("GET", path, self.alice["token"])


@pytest.fixture
def ruled(request: pytest.FixtureRequest, _guardian: None) -> Iterator[Ruled]:
    """A server with a bootstrap token, unless the test says otherwise."""
    access = getattr(request, "param", AccessOptions(True, BOOTSTRAP))
    with Journal("memory:") as journal, calling(lambda: app_of(journal, access)) as caller:
        yield Ruled(caller)


def app_of(journal: Journal, access: AccessOptions) -> Any:
    return create_app(journal, ServiceOptions(access=access, beat_s=0.05))


def test_before_there_is_a_policy_only_the_bootstrap_token_may_anything(ruled: Ruled) -> None:
    refused = ruled.ask("/diary/a")
    assert (refused.status, refused.code) == (403, "denied")
    assert "rainer can alice read 'diary/a'" in refused.json()["hint"]
    assert "no policy yet" in ruled.ask("/-/can?may=read&on=diary/a").json()["because"]


def test_a_policy_holds_before_its_commit_is_answered(ruled: Ruled) -> None:
    for _ in range(20):
        ruled.may_read("diary/a")
        assert [ruled.ask(f"/diary/{key}").status for key in "ab"] == [200, 403]
        ruled.may_read("diary/b")
        assert [ruled.ask(f"/diary/{key}").status for key in "ab"] == [403, 200]


def test_other_servers_obey_it_soon(tmp_path: Any) -> None:
    url, access = f"sqlite:///{tmp_path / 'journal.db'}", AccessOptions(True, BOOTSTRAP)
    with (
        Journal(url) as one, Journal(url) as other, calling(lambda: app_of(one, access)) as first,
        calling(lambda: app_of(other, access)) as second,
    ):  # fmt: skip
        ruled = Ruled(first)
        for on, status in (("diary/*", 200), ("diary/b", 403)):
            ruled.may_read(on)
            wait_until(
                lambda: second.ask("GET", "/diary/a", ruled.alice["token"]).status == status,  # noqa: B023
                10,
                f"the other server answers {status}",
            )


def test_can_explains(ruled: Ruled) -> None:
    ruled.may_read("diary/a*")
    asked = {
        "may=read&on=diary/a": (True, "grant 2 (line 1): alice may read on diary/a*"),
        "may=read&on=diary/a*": (True, "grant 2 (line 1): alice may read on diary/a*"),
        "may=read": (True, "grant 2 (line 1): alice may read on diary/a*"),
        "may=read&on=diary": (False, "no grant for alice gives read on diary/*"),
        "may=write&on=rainer/policy": (False, "rainer/policy is changed by who may admin *"),
    }
    for query, (allowed, because) in asked.items():
        told = ruled.ask(f"/-/can?{query}").json()
        assert (told["allowed"], told["who"]) == (allowed, "alice")
        assert told["because"].startswith(because), query
    about = ruled.caller.ask("GET", "/-/can?who=bob&group=ops&may=read&on=diary/a", BOOTSTRAP).json()
    assert (about["who"], about["because"]) == ("bob", "no grant is for bob")
    assert ruled.ask("/-/can?who=bob&may=read").status == 403
    assert ruled.ask("/-/can?may=fly").json()["hint"].startswith("may= one of read")


# Documents of the system's namespace


def test_what_is_no_policy_is_refused_with_its_place(ruled: Ruled) -> None:
    wrong = b"grants:\n  - {who: [alice], may: [reed], on: ['*']}\n"
    answer = ruled.caller.ask("POST", "/rainer/policy/1", BOOTSTRAP, wrong)
    told = answer.json()
    assert (answer.status, told["code"]) == (422, "invalid-document")
    assert (told["pointer"], told["line"], told["column"]) == ("/grants/0/may/0", 2, 26)
    assert told["hint"] == "did you mean read?"
    changeset = {"commits": [{"namespace": "rainer", "key": "policy", "version": 1, "payload_utf8": wrong.decode()}]}
    assert ruled.post("/-/changesets", changeset, 422)["line"] == 2


def test_a_document_that_nobody_obeys_is_refused(ruled: Ruled) -> None:
    refused = ruled.caller.ask("POST", "/rainer/polcy/1", BOOTSTRAP, b"grants: []")
    assert (refused.status, refused.json()["hint"]) == (400, "did you mean policy?")


def test_only_who_may_administer_everything_changes_it(ruled: Ruled) -> None:
    bob, root = ruled.token("bob"), ruled.token("root")
    bobs = {"who": ["bob"], "may": ["admin"], "on": ["rainer/*", "diary/*"]}
    ruled.enact(ALL, bobs, {"who": ["bob"], "may": ["write"], "on": ["*"]})
    ruled.enact(ALL, token=bob["token"], status=403)
    changeset = {"commits": [{"namespace": "rainer", "key": "policy", "version": 2, "payload_utf8": "{}"}]}
    answer = ruled.caller.ask("POST", "/-/changesets", bob["token"], json.dumps(changeset).encode())
    assert (answer.status, answer.code) == (403, "denied")
    ruled.enact(ALL, bobs, token=root["token"])


@pytest.mark.usefixtures("_guardian")
def test_its_namespace_is_made_by_who_may_administer_everything_and_only_as_it_must_be() -> None:
    with Journal("memory:") as journal, calling(lambda: app_of(journal, AccessOptions())) as caller:
        wrong = caller.ask("POST", "/-/namespaces", None, b'{"name": "rainer"}')
        assert (wrong.status, wrong.code) == (400, "invalid")
        assert "policy init" in wrong.json()["hint"]
        assert caller.ask("POST", "/-/namespaces", None, b'{"name": "rainer", "format": "yaml"}').status == 201
        # Nobody can change a policy, once identity is on, that names no admin.
        empty = caller.ask("POST", "/rainer/policy/1", None, b"grants: []", x_rainer_author="me")
        assert (empty.status, empty.code) == (422, "invalid-document")


# Nobody is locked out


def test_with_a_bootstrap_token_any_policy_will_do(ruled: Ruled) -> None:
    ruled.enact()
    assert ruled.caller.ask("POST", "/rainer/policy/2", BOOTSTRAP, b"", x_rainer_empty="yes").status == 200


@pytest.mark.usefixtures("_guardian")
@pytest.mark.parametrize("last", ["a revocation", "a policy", "its removal"])
def test_the_last_way_in_stays(last: str) -> None:
    with Journal("memory:") as journal:
        with calling(lambda: app_of(journal, AccessOptions(True, BOOTSTRAP))) as caller:
            ruled = Ruled(caller)
            root = ruled.token("root")
            ruled.enact(ALL)
        with calling(lambda: app_of(journal, AccessOptions(True))) as caller:
            ruled.caller, token = caller, root["token"]
            if last == "a revocation":
                refused = caller.ask("DELETE", f"/-/tokens/{root['id']}", token)
                assert (refused.status, refused.code) == (403, "denied")
                another = caller.ask("POST", "/-/tokens", token, b'{"name": "root"}').json()
                assert caller.ask("DELETE", f"/-/tokens/{root['id']}", token).status == 200
                assert caller.ask("GET", "/-/tokens", another["token"]).status == 200
            elif last == "a policy":
                for wrong in ({**ALL, "who": ["nobody-with-a-token"]}, {**ALL, "on": ["diary/*"]}):
                    assert (
                        "could not be changed any more" in ruled.enact(wrong, token=token, status=422).json()["detail"]
                    )
                ruled.enact({**ALL, "who": ["ro*"]}, token=token)
            else:
                assert caller.ask("POST", "/rainer/policy/2", token, b"", x_rainer_empty="yes").status == 422


# Feeds


def test_a_feed_goes_on_over_what_may_not_be_read(ruled: Ruled) -> None:
    ruled.may_read("diary/a")
    since = ruled.ask("/-/changes?namespace=diary").json()["revision"]
    waiting = ruled.caller.begin("GET", f"/-/changes?namespace=diary&wait=30&since={since}", ruled.alice["token"])
    assert ruled.caller.ask("POST", "/diary/b/2", BOOTSTRAP, b"secret").status == 200
    assert ruled.caller.ask("POST", "/diary/a/2", BOOTSTRAP, b"told").status == 200
    told = waiting.result(30).json()
    assert [(meta["key"], meta["version"]) for meta in told["changes"]] == [("a", 2)]


def test_a_long_poll_reads_on_where_a_page_shows_nothing(ruled: Ruled) -> None:
    ruled.may_read("diary/a")
    assert ruled.caller.ask("POST", "/diary/a/2", BOOTSTRAP, b"told").status == 200
    told = ruled.ask("/-/changes?namespace=diary&limit=1&wait=60&since=1").json()
    assert [(meta["key"], meta["version"]) for meta in told["changes"]] == [("a", 2)]


def test_who_may_read_other_keys_now_must_reload(ruled: Ruled) -> None:
    ruled.may_read("diary/a")
    tag = ruled.ask("/diary").headers["x-rainer-readable"]
    first = ruled.ask(f"/-/changes?namespace=diary&readable={tag}").json()
    assert first["readable"] == tag
    path = f"/-/changes?namespace=diary&since={first['revision']}&readable={tag}"
    waiting = ruled.caller.begin("GET", f"{path}&wait=30", ruled.alice["token"])
    ruled.may_read("diary/*")
    assert (waiting.result(30).status, ruled.ask(path).code) == (410, "position-gone")
    assert ruled.ask("/diary").headers["x-rainer-readable"] != tag


def test_an_event_stream_says_gone_when_its_reader_may_read_other_keys(ruled: Ruled) -> None:
    ruled.may_read("diary/a")
    changes = iter([lambda: ruled.may_read("diary/*")])

    def enough(told: bytes) -> bool:
        if b"event: changes" in told:
            for change in changes:
                change_later(ruled, change)
        return b"event: gone" in told

    told = ruled.caller.stream("/-/changes?namespace=diary", ruled.alice["token"], enough)
    assert told.body.count(b"event: changes") == 1
    assert b'"key":"b"' not in told.body


def change_later(ruled: Ruled, change: Any) -> None:
    """Have something done beside the loop that calls this."""
    import threading

    threading.Thread(target=change, name="test-change", daemon=True).start()


@pytest.mark.parametrize("end", ["the policy", "the token"])
def test_an_event_stream_ends_when_its_reader_may_read_nothing_any_more(ruled: Ruled, end: str) -> None:
    ruled.may_read("diary/*")
    ends = {
        "the policy": lambda: ruled.may_read(),
        "the token": lambda: ruled.caller.ask("DELETE", f"/-/tokens/{ruled.alice['id']}", BOOTSTRAP),
    }
    changes = iter([ends[end]])

    def enough(told: bytes) -> bool:
        if b"event: changes" in told:
            for change in changes:
                change_later(ruled, change)
        return False  # the server ends it

    told = ruled.caller.stream("/-/changes?namespace=diary", ruled.alice["token"], enough)
    assert told.status == 200
    assert ruled.ask("/-/changes?namespace=diary").status == (403 if end == "the policy" else 401)


def test_readers_with_equal_rights_share_an_answer(ruled: Ruled) -> None:
    readers = [ruled.token(f"reader-{number}")["token"] for number in range(8)]
    ruled.enact(ALL, {"who": ["reader-*"], "may": ["read"], "on": ["diary/a"]})
    live = ruled.caller.app.service.live
    since = ruled.caller.ask("GET", "/-/changes?namespace=diary", readers[0]).json()["revision"]
    path = f"/-/changes?namespace=diary&wait=30&since={since}"
    waiting = [ruled.caller.begin("GET", path, token) for token in readers]
    wait_until(lambda: live.wakeup.waiting >= len(readers), 10, "all readers wait")
    before = live.feed.queries
    assert ruled.caller.ask("POST", "/diary/a/2", BOOTSTRAP, b"x").status == 200
    assert len({one.result(30).body for one in waiting}) == 1
    assert live.feed.queries - before <= 3


def test_a_list_of_some_keys_is_not_taken_for_the_whole_one(ruled: Ruled) -> None:
    ruled.may_read("diary/a")
    whole = ruled.caller.ask("GET", "/diary", BOOTSTRAP)
    some = ruled.ask("/diary")
    assert (list(whole.json()), list(some.json())) == (["a", "b"], ["a"])
    tags = {"if_none_match": some.headers["etag"], "x_rainer_readable": some.headers["x-rainer-readable"]}
    assert ruled.caller.ask("GET", "/diary", ruled.alice["token"], **tags).status == 304
    assert ruled.caller.ask("GET", "/diary", BOOTSTRAP, **tags).status == 200
    assert ruled.caller.ask("GET", "/diary", BOOTSTRAP, if_none_match=whole.headers["etag"]).status == 200


def test_reports_of_mirrors_are_for_who_reads_their_namespace(ruled: Ruled) -> None:
    ruled.post("/-/namespaces", {"name": "other"}, 201)
    ruled.enact(
        ALL, {"who": ["alice"], "may": ["read"], "on": ["diary/a"]}, {"who": ["w"], "may": ["write"], "on": ["diary/b"]}
    )
    members = {"host": "h", "pid": 1, "lineage": "x", "revision": 1, "time_ms": 1, "rejected": {"a": "1", "b": "2"}}
    report = json.dumps(members | {"namespace": "diary", "error": "b is bad"}).encode()
    assert ruled.caller.ask("PUT", "/-/mirrors/m", ruled.alice["token"], report).status == 200
    passed_on = members | {"id": "x", "namespace": "other"}
    both = json.dumps(members | {"namespace": "diary", "followers": [passed_on]}).encode()
    assert ruled.caller.ask("PUT", "/-/mirrors/n", ruled.alice["token"], both).status == 403
    (told,) = ruled.ask("/-/mirrors").json()["mirrors"]
    assert (told["rejected"], "b is bad" in told["error"]) == ({"a": "1"}, False)
    (told,) = ruled.caller.ask("GET", "/-/mirrors?namespace=diary", ruled.token("w")["token"]).json()["mirrors"]
    assert told["rejected"] == {"b": "2"}
