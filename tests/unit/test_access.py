"""Who asks a server, as its app sees it: every kind of credential, what is remembered of it, and whose commits are."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from rainer.access import Access, AccessOptions, OidcOptions
from rainer.access import access as access_module
from rainer.access.credentials import CERTIFICATE, CREDENTIAL
from rainer.access.upstream import UpstreamAccess
from rainer.api.app import create_app
from rainer.errors import RateLimited, UnauthenticatedError, UnavailableError
from rainer.journal import Journal
from rainer.model.identity import ANONYMOUS, OPEN, Identity
from rainer.service import ServiceOptions
from tests.asgi import Answered, Caller, calling
from tests.services import secrets
from tests.services.issuer import Issuer
from tests.services.waiting import wait_until

POLICY = b"""
groups: {gateways: [gate]}
grants:
  - {who: [authenticated], may: [read, write], on: ["diary/*"]}
  - {who: [group:gateways], may: [impersonate], on: ["diary/a*"]}
  - {who: [anonymous], may: [read, write], on: ["diary/open*"]}
  - {who: [root], may: [admin], on: ["*"]}
"""
REFUSED = "the credentials prove no identity here"


@pytest.fixture
def journal(sqlite_url: str) -> Iterator[Journal]:
    with Journal(sqlite_url) as journal:
        journal.create_namespace("rainer", format="yaml")
        journal.append("policy", POLICY, version=1, author="test", namespace="rainer")
        yield journal


@contextmanager
def served(journal: Journal, **options: Any) -> Iterator[Caller]:
    chosen = AccessOptions(**{"is_on": True} | options)
    with calling(lambda: create_app(journal, ServiceOptions(access=chosen))) as caller:
        yield caller


def access_of(caller: Caller) -> Access:
    access: Access = caller.app.service.access
    return access


def token_of(caller: Caller, name: str, life_ms: int | None = None) -> str:
    return access_of(caller).tokens.create(name, created_by="test", life_ms=life_ms)[1]


def who(caller: Caller, token: str | None = None, **headers: str) -> tuple[str, str]:
    answer = caller.ask("GET", "/-/whoami", token, **headers)
    assert answer.status == 200, answer
    return answer.json()["name"], answer.json()["source"]


def refused(answer: Answered) -> None:
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), answer
    assert (answer.code, answer.json()["detail"]) == ("unauthenticated", REFUSED)


def test_where_identity_is_off_nobody_is_asked(journal: Journal) -> None:
    with served(journal, is_on=False) as caller:
        assert who(caller) == who(caller, "anything") == ("", "open")
        assert caller.ask("POST", "/diary/k/1", body=b"x", X_Rainer_Author="whoever").status == 200
        access = access_of(caller)
        assert caller.run(access.identify({})) is access.identify_at_once({}) is OPEN


def test_every_kind_of_credential_proves_its_name(journal: Journal) -> None:
    with Issuer() as issuer:
        oidc, bootstrap = OidcOptions(issuer.url, "rainer"), secrets.new_secret()
        with served(journal, oidc=oidc, bootstrap_token=bootstrap) as caller:
            assert who(caller) == ("anonymous", "none")
            assert who(caller, token_of(caller, "ada@example.com")) == ("ada@example.com", "token")
            assert who(caller, bootstrap) == ("bootstrap", "bootstrap")
            text = issuer.sign(groups=["ops"])
            assert who(caller, text) == ("ada@example.com", "jwt")
            assert caller.ask("GET", "/-/whoami", text).json()["groups"] == ["ops"]
            assert issuer.asked == 1
            refused(caller.ask("GET", "/-/whoami", issuer.sign(aud="another")))
            refused(caller.ask("GET", "/-/whoami", issuer.sign(kid="nobody's")))


def test_without_its_issuer_the_others_get_in_all_the_same(journal: Journal) -> None:
    with Issuer() as issuer:
        text = issuer.sign()
    with served(journal, oidc=OidcOptions(issuer.url, "rainer")) as caller:
        assert caller.ask("GET", "/-/whoami", text).code == "unavailable"
        assert who(caller, token_of(caller, "ada")) == ("ada", "token")


def test_a_certificate_proves_its_name_unless_a_token_does(journal: Journal) -> None:
    with served(journal) as caller:
        access, scope = access_of(caller), {"path": "/", "headers": [], CERTIFICATE: "ci-deploy"}
        assert caller.run(access.identify(scope)) == Identity("ci-deploy", "certificate")
        token = token_of(caller, "ada")
        scope["headers"] = [(b"authorization", f"Bearer {token}".encode())]
        assert caller.run(access.identify(scope)) == Identity("ada", "token")
        for name in ("", "anonymous", "group:ops", "bootstrap"):
            with pytest.raises(UnauthenticatedError):
                caller.run(access.identify({"path": "/", "headers": [], CERTIFICATE: name}))


def test_who_is_remembered_is_identified_at_once_and_nobody_else(journal: Journal) -> None:
    with served(journal, token_path=True, rate_per_s=1, rate_burst=3) as caller:
        access, token = access_of(caller), token_of(caller, "ada")
        plain = (b"authorization", b"Bearer " + token.encode())

        def at_once(*headers: tuple[bytes, bytes], path: str = "/diary/a") -> Identity | None:
            scope: dict[str, Any] = {"path": path, "headers": list(headers), "client": ("127.0.0.1", 1)}
            before = {**scope}
            found = access.identify_at_once(scope)
            assert scope == before | ({} if found is None else {CREDENTIAL: token.encode()})
            return found

        assert at_once(plain) is None
        ada = caller.run(access.identify({"path": "/", "headers": [plain], "client": ("127.0.0.1", 1)}))
        assert at_once((b"host", b"x"), plain, (b"accept", b"*/*")) is ada == Identity("ada", "token")
        name, value = plain
        for headers in (
            (), (plain, plain), ((name, value + b" "),), ((name, b"bearer" + value[6:]),), ((name, b"Basic x"),),
            ((name, value + b"x"),), ((name, b"Bearer "),), ((name, b""),),
        ):  # fmt: skip
            assert at_once(*headers) is None
        assert at_once(plain, path=f"/-/t/{token}/diary/a") is None
        assert at_once(plain) is ada
        with pytest.raises(RateLimited):
            at_once(plain)
        access.revoke(token.split("_")[1])
        assert at_once(plain) is None


def test_whatever_proves_nothing_is_told_the_same(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "TOKEN_S", 0.05)
    with served(journal) as caller:
        good = token_of(caller, "ada")
        revoked, expired = token_of(caller, "ada"), token_of(caller, "ada", life_ms=1)
        access_of(caller).revoke(revoked[4:12])
        for text in (good[:-1], good[:-1] + ("A" if good[-1] != "A" else "B"), "rnr_" + "a" * 8 + good[12:], "x.y.z",
                     "nonsense", revoked):  # fmt: skip
            refused(caller.ask("GET", "/-/whoami", text))
            refused(caller.ask("GET", "/diary/k", text))
        wait_until(lambda: caller.ask("GET", "/-/whoami", expired).status == 401, 5, "its end")
        for value in ("Basic YTpi", "Bearer", f"Token {good}", f"Bearer {good} x", "Bearer \xff"):
            refused(caller.ask("GET", "/-/whoami", Authorization=value))
        assert who(caller, good) == ("ada", "token")
        body = caller.ask("POST", "/diary/k/1", "nonsense", b"x", X_Rainer_Author="ada")
        refused(body)
        assert caller.ask("GET", "/diary/k", good).status == 404


def test_a_revocation_holds_here_at_once_and_elsewhere_within_two_seconds(journal: Journal, sqlite_url: str) -> None:
    with served(journal) as here, Journal(sqlite_url) as other, served(other) as there:
        token = token_of(here, "ada")
        root = token_of(here, "root")
        for caller in (here, there):
            assert who(caller, token) == ("ada", "token")
        begun = time.monotonic()
        assert here.ask("DELETE", f"/-/tokens/{token[4:12]}", root).json()["state"] == "revoked"
        refused(here.ask("GET", "/-/whoami", token))
        wait_until(lambda: there.ask("GET", "/-/whoami", token).status == 401, 10, "the revocation elsewhere")
        assert time.monotonic() - begun < 2 + 3  # two, and what a busy machine needs to answer


@contextmanager
def queries_of(journal: Journal) -> Iterator[list[str]]:
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "tokens" in statement and "INSERT" not in statement:
            found.append(statement)

    sa.event.listen(journal.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(journal.engine, "before_cursor_execute", note)


def test_what_is_remembered_costs_no_query(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "TOKEN_S", 3600.0)
    with served(journal) as caller:
        token, before = token_of(caller, "ada"), time.time() * 1000
        with queries_of(journal) as queries, ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: who(caller, token), range(40)))
            assert found == [("ada", "token")] * 40
            selects = [one for one in queries if one.startswith("SELECT")]
            assert len(selects) == 1, selects
            table = access_of(caller).tokens
            wait_until(lambda: (table.list()[0].last_used_ms or 0) >= before - 1, 5, "the note of its use")
        with queries_of(journal) as queries:
            for _ in range(5):
                refused(caller.ask("GET", "/-/whoami", token[:-1] + "~"))
                refused(caller.ask("GET", "/-/whoami", "rnr_" + "b" * 8 + token[12:]))
            assert len(queries) == 1


def test_the_last_use_is_noted_once_a_minute(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "TOKEN_S", 0.0)
    with served(journal) as caller:
        token = token_of(caller, "ada")
        table = access_of(caller).tokens
        who(caller, token)
        first = wait_until(lambda: table.list()[0].last_used_ms, 5, "the note of its use")
        with queries_of(journal) as queries:
            for _ in range(5):
                who(caller, token)
            assert [one for one in queries if one.startswith("UPDATE")] == []
        assert table.list()[0].last_used_ms == first


def test_no_more_is_remembered_than_there_is_room_for(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "_REMEMBERED_MAX", 10)
    with served(journal) as caller:
        for number in range(30):
            refused(caller.ask("GET", "/-/whoami", f"nonsense{number}"))
        assert len(access_of(caller)._known) <= 10


def test_each_identity_may_ask_so_often(journal: Journal) -> None:
    with served(journal, rate_per_s=1, rate_burst=3) as caller:
        ada, bob = token_of(caller, "ada"), token_of(caller, "bob")
        who(caller, bob)
        answers = [caller.ask("GET", "/diary/k", ada) for _ in range(5)]
        limited = [answer for answer in answers if answer.status == 429]
        assert limited
        assert {answer.status for answer in answers} == {404, 429}
        assert (limited[0].code, limited[0].headers["retry-after"]) == ("rate-limited", "1")
        assert limited[0].json()["retryable"] is True
        assert who(caller, bob) == ("bob", "token")
        guessed = [caller.ask("GET", "/-/whoami", f"guess-{number}").status for number in range(6)]
        assert (guessed[0], guessed[-1]) == (401, 429)


def test_who_is_known_is_not_slowed_down_by_strangers_at_the_same_address(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many share an address, behind a proxy: each is looked up every two seconds, and guesses come from there too."""
    monkeypatch.setattr(access_module, "TOKEN_S", 0)
    with served(journal, rate_per_s=1, rate_burst=4) as caller:
        people = [token_of(caller, f"person-{number}") for number in range(3)]
        for token in people * 3:
            assert caller.ask("GET", "/-/whoami", token).status == 200
        guessed = [caller.ask("GET", "/-/whoami", f"guess-{number}").status for number in range(6)]
        assert guessed[-1] == 429
        assert caller.ask("GET", "/-/whoami", people[0]).status == 200


def test_whoever_has_a_network_of_addresses_is_one(journal: Journal) -> None:
    """Of IPv6 everybody has 2^64: as many buckets would be no limit, and would push everybody else's out."""
    with served(journal, rate_per_s=1, rate_burst=2) as caller:
        access = access_of(caller)

        def ask(address: str) -> Any:
            return caller.run(access.identify({"client": (address, 1), "path": "/", "headers": [], "method": "GET"}))

        assert ask("2001:db8::1") == ask("2001:db8::ffff:2") == ask("2001:db8:0:1::1") == ANONYMOUS
        with pytest.raises(RateLimited):
            ask("2001:db8::3")
        assert ask("::ffff:10.0.0.1") == ask("::ffff:10.0.0.2") == ask("::ffff:10.0.0.3") == ANONYMOUS


def test_an_upstream_that_talks_nonsense_is_said_to_be_unavailable() -> None:
    async def ask(told: Any) -> None:
        access = UpstreamAccess(lambda _text: told, AccessOptions(is_on=True))
        try:
            await access.identify({"path": "/", "headers": [(b"authorization", b"Bearer secret-word")]})
        finally:
            await access.close()

    for told in ([], "x", {"name": "a", "source": "token", "groups": 1}, None):
        with pytest.raises(UnavailableError) as refusal:
            asyncio.run(ask(told))
        assert "secret-word" not in str(refusal.value)


# Tokens in the path


def test_a_path_may_carry_the_token_where_that_is_on(journal: Journal) -> None:
    with served(journal, token_path=True) as caller:
        token = token_of(caller, "ada")
        base = f"/-/t/{token}"
        assert who(caller) == ("anonymous", "none")
        assert caller.ask("GET", f"{base}/-/whoami").json()["name"] == "ada"
        assert caller.ask("POST", f"{base}/diary/k%20y/1", body=b"x").json()["author"] == "ada"
        assert caller.ask("GET", f"{base}/diary/k%20y").body == b"x"
        assert caller.ask("GET", f"{base}/diary?limit=1").json()["k y"]["version"] == 1
        assert caller.ask("POST", f"{base}/diary/other/1", body=b"x").status == 200
        link = caller.ask("GET", f"{base}/diary?limit=1").headers["link"]
        assert link.startswith("<?limit=1&after=k+y&")
        missing = caller.ask("GET", f"{base}/-/nothing")
        assert missing.status == 404
        assert token not in missing.body.decode()
        refused(caller.ask("GET", "/-/t/nonsense/diary/k%20y"))
        refused(caller.ask("GET", "/-/t//diary/k%20y"))
        refused(caller.ask("GET", f"{base}x/diary/k%20y"))


def test_a_path_carries_no_token_where_that_is_off(journal: Journal) -> None:
    with served(journal) as caller:
        answer = caller.ask("GET", f"/-/t/{token_of(caller, 'ada')}/-/whoami")
        assert answer.status == 404
        assert "rnr_" not in answer.body.decode()


# Authors


def post(caller: Caller, key: str, version: int, token: str | None, author: str | None) -> Answered:
    headers = {} if author is None else {"X_Rainer_Author": author}
    return caller.ask("POST", f"/diary/{key}/{version}", token, b"x", **headers)


def test_the_author_is_who_asks(journal: Journal) -> None:
    with served(journal) as caller:
        ada = token_of(caller, "ada")
        assert post(caller, "a", 1, ada, None).json()["author"] == "ada"
        assert post(caller, "a", 2, ada, "ada").json()["author"] == "ada"
        denied = post(caller, "a", 3, ada, "bob")
        assert (denied.status, denied.code) == (403, "denied")
        assert "bob" in denied.json()["detail"]
        assert [(c.author, c.marks) for c in journal.log("a")] == [("ada", None)] * 2


def test_who_may_impersonate_says_another_name_and_both_are_kept(journal: Journal) -> None:
    with served(journal) as caller:
        gate = token_of(caller, "gate")
        assert post(caller, "a", 1, gate, "bob").json()["author"] == "bob"
        assert post(caller, "b", 1, gate, "bob").status == 403
        marks = journal.get("a").marks
        assert marks is not None
        assert (journal.get("a").author, marks.identity) == ("bob", "gate")
        drafts = [{"key": key, "version": 1, "payload_utf8": "x", "author": "bob"} for key in ("a1", "a2")]
        body = json.dumps({"commits": drafts}).encode()
        assert caller.ask("POST", "/-/changesets", gate, body).status == 200
        assert [(journal.get(key).author, journal.get(key).marks) for key in ("a1", "a2")] == [("bob", marks)] * 2


def test_a_changeset_is_by_who_asks_too(journal: Journal) -> None:
    with served(journal) as caller:
        ada = token_of(caller, "ada")
        draft = {"key": "k", "version": 1, "payload_utf8": "x"}
        denied = caller.ask("POST", "/-/changesets", ada, json.dumps({"author": "bob", "commits": [draft]}).encode())
        assert (denied.status, denied.code) == (403, "denied")
        assert denied.json()["detail"].startswith("commits[0]: ")
        made = caller.ask("POST", "/-/changesets", ada, json.dumps({"commits": [draft]}).encode())
        assert made.json()["commits"][0]["author"] == "ada"


def test_who_does_not_say_who_he_is_says_what_he_likes_and_that_is_kept(journal: Journal) -> None:
    with served(journal) as caller:
        assert post(caller, "open", 1, None, "ada").json()["author"] == "ada"
        marks = journal.get("open").marks
        assert marks is not None
        assert marks.identity == "anonymous"
        missing = post(caller, "open", 2, None, None)
        assert (missing.status, missing.body) == (400, b"Missing header: X-Rainer-Author")


# Tokens over HTTP


def test_admins_make_list_and_revoke_tokens(journal: Journal) -> None:
    with served(journal) as caller:
        root = token_of(caller, "root")
        made = caller.ask("POST", "/-/tokens", root, b'{"name": "ci", "expires_s": 3600}')
        assert (made.status, made.headers["cache-control"]) == (201, "no-store")
        token = made.json()
        assert (token["name"], token["created_by"], token["state"]) == ("ci", "root", "live")
        assert who(caller, token["token"]) == ("ci", "token")
        listed = caller.ask("GET", "/-/tokens", root).json()["tokens"]
        assert [one["name"] for one in listed] == ["ci", "root"]
        assert token["token"] not in str(listed)
        assert caller.ask("DELETE", f"/-/tokens/{token['id']}", root).json()["state"] == "revoked"
        assert caller.ask("DELETE", "/-/tokens/nobodys", root).code == "not-found"
        for body in (b"{}", b'{"name": "group:x"}', b'{"name": 1}', b'{"name": "a", "expires_s": 0}', b"[]",
                     b'{"name": "a", "expires_s": 1e9}', b'{"name": "a", "more": 1}'):  # fmt: skip
            assert caller.ask("POST", "/-/tokens", root, body).status == 400, body


def test_nobody_else_does(journal: Journal) -> None:
    with served(journal) as caller:
        for token in (None, token_of(caller, "ada")):
            assert caller.ask("GET", "/-/tokens", token).status == 403
            assert caller.ask("POST", "/-/tokens", token, b'{"name": "ci"}').status == 403
            assert caller.ask("DELETE", "/-/tokens/abcdefgh", token).status == 403
