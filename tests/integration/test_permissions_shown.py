"""Random policies against a plain model: no list, page or feed ever shows a key that its reader may not read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rainer.access import AccessOptions
from rainer.api import create_app
from rainer.journal import Journal
from rainer.service import ServiceOptions
from tests.asgi import Caller, calling

pytestmark = pytest.mark.may_leak("the server runs in this process, and begins its threads when it needs them")

BOOTSTRAP: Final = "a-bootstrap-token-of-these-tests"
KEYS: Final = ("a", "aa", "aab", "ab", "b", "ba", "c")
SPACES: Final = ("diary", "prod")
READERS: Final = ("alice", "bob@x", None)
COMMITS: Final = [
    (space, key, version) for version in (1, 2) for key in KEYS for space in SPACES if (key, version) != ("ba", 2)
]  # in the journal's order; the second version of "c" removes it

WHO: Final = st.sampled_from(["alice", "*@x", "anonymous", "authenticated", "group:g"])
PLACES: Final = st.one_of(
    st.just("*"),
    st.builds("{}/{}".format, st.sampled_from(SPACES), st.sampled_from(["*", "a*", "aa*", "b*", "a", "aab", "c", "x"])),
)
GRANT: Final = st.fixed_dictionaries(
    {
        "who": st.lists(WHO, min_size=1, max_size=2),
        "may": st.lists(st.sampled_from(["read", "read", "write", "admin", "force"]), min_size=1, max_size=2),
        "on": st.lists(PLACES, min_size=1, max_size=3),
    }
)  # fmt: skip
POLICIES: Final = st.lists(GRANT, max_size=4)


def is_meant(who: str, reader: str | None) -> bool:
    if reader is None:
        return who == "anonymous"
    return who in ("authenticated", reader) or (who == "*@x" and reader.endswith("@x")) or (
        who == "group:g" and reader == "alice"
    )  # fmt: skip


def may_read(grants: list[dict[str, Any]], reader: str | None, space: str, key: str) -> bool:
    """The rule in plain words."""
    for grant in grants:
        if {"read", "admin"} & set(grant["may"]) and any(is_meant(who, reader) for who in grant["who"]):
            for on in grant["on"]:
                at, _, text = on.partition("/")
                if on == "*" or (at == space and (text == key or (text[-1] == "*" and key.startswith(text[:-1])))):
                    return True
    return False


class Journaled:
    """A server with a little history, a policy that changes, and three readers."""

    def __init__(self, caller: Caller) -> None:
        self.caller, self.version = caller, 0
        self._post("/-/namespaces", {"name": "prod"}, 201)
        self._post("/-/namespaces", {"name": "rainer", "format": "yaml"}, 201)
        for space, key, version in COMMITS:
            headers = {"x_rainer_empty": "yes"} if (key, version) == ("c", 2) else {}
            body = b"" if headers else f"{space}/{key}@{version}".encode()
            assert caller.ask("POST", f"/{space}/{key}/{version}", BOOTSTRAP, body, **headers).status == 200
        self.tokens = {
            name: self._post("/-/tokens", {"name": name}, 201)["token"] for name in READERS if name is not None
        }  # fmt: skip
        self.last = len(COMMITS)

    def _post(self, path: str, body: Any, status: int) -> Any:
        answer = self.caller.ask("POST", path, BOOTSTRAP, json.dumps(body).encode())
        assert answer.status == status, answer.body
        return answer.json()

    def enact(self, grants: list[dict[str, Any]]) -> None:
        self.version += 1
        self._post(f"/rainer/policy/{self.version}", {"groups": {"g": ["alice"]}, "grants": grants}, 200)

    def ask(self, path: str, reader: str | None) -> Any:
        return self.caller.ask("GET", path, None if reader is None else self.tokens[reader])


@pytest.fixture(scope="module")
def journaled(_guardian: None) -> Iterator[Journaled]:
    options = ServiceOptions(access=AccessOptions(True, BOOTSTRAP))
    with Journal("memory:") as journal, calling(lambda: create_app(journal, options)) as caller:
        yield Journaled(caller)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(grants=POLICIES)
@example(grants=[{"who": ["alice"], "may": ["read"], "on": ["diary/a*", "prod/b"]}])
@example(grants=[{"who": ["anonymous", "*@x"], "may": ["admin"], "on": ["prod/aa*", "prod/c", "diary/x"]}])
def test_nothing_shows_what_may_not_be_read(journaled: Journaled, grants: list[dict[str, Any]]) -> None:
    journaled.enact(grants)
    for reader in READERS:
        readable = {(s, k) for s in SPACES for k in KEYS if may_read(grants, reader, s, k)}
        for space in SPACES:
            check_lists(journaled, reader, space, {key for at, key in readable if at == space})
        check_feed(journaled, reader, readable)
        check_keys(journaled, reader, readable)


def check_lists(journaled: Journaled, reader: str | None, space: str, readable: set[str]) -> None:
    live = sorted(readable - {"c"})
    may_some = journaled.ask(f"/{space}", reader).status == 200
    if not may_some:
        assert not readable
        return
    assert list(journaled.ask(f"/{space}", reader).json()) == live
    assert list(journaled.ask(f"/{space}", reader).json()) == live, "from memory"
    assert list(journaled.ask(f"/{space}?all=yes", reader).json()) == sorted(readable)
    assert list(journaled.ask(f"/{space}?prefix=aa", reader).json()) == [k for k in live if k.startswith("aa")]
    assert list(journaled.ask(f"/{space}?after=aa&payload_utf8=yes", reader).json()) == [k for k in live if k > "aa"]
    assert list(journaled.ask(f"/{space}?at={2 * len(KEYS)}", reader).json()) == sorted(readable)
    paged: list[str] = []
    path: str | None = f"/{space}?limit=2"
    while path is not None:
        answer = journaled.ask(path, reader)
        paged += answer.json()
        path = answer.headers["link"].partition("<")[2].partition(">")[0] if "link" in answer.headers else None
    assert paged == live


def check_feed(journaled: Journaled, reader: str | None, readable: set[tuple[str, str]]) -> None:
    wanted = [commit for commit in COMMITS if commit[:2] in readable]
    for space in (None, *SPACES):
        found: list[tuple[str, str, int]] = []
        since, more = 0, True
        named = "" if space is None else f"&namespace={space}"
        while more:
            answer = journaled.ask(f"/-/changes?since={since}&limit=5{named}", reader)
            if answer.status == 403:
                assert not [one for one in wanted if space in (None, one[0])]
                break
            page = answer.json()
            found += [(m["namespace"], m["key"], m["version"]) for m in page["changes"] if m["namespace"] != "rainer"]
            since, more = page["revision"], page["more"]
        else:
            assert found == [one for one in wanted if space in (None, one[0])]
            assert since == journaled.last + journaled.version, "revisions move on over what is left out"


def check_keys(journaled: Journaled, reader: str | None, readable: set[tuple[str, str]]) -> None:
    for space in SPACES:
        for key in KEYS:
            status = journaled.ask(f"/{space}/{key}", reader).status
            assert (status == 200) == ((space, key) in readable), (space, key, status)
