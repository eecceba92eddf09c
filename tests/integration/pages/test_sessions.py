"""What guards the pages: the policy of content, forms of our own alone, sessions, and rights as everywhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests

from rainer.access import AccessOptions
from rainer.api.app import create_app
from rainer.api.pages.routes import TABLE
from rainer.client import Client
from rainer.journal import Journal
from rainer.service import PagesOptions, ServiceOptions
from tests.integration.hosted import hosted
from tests.integration.pages.conftest import EVIL
from tests.services import secrets
from tests.services.rainer import RainerServer

pytestmark = pytest.mark.xdist_group("pages")

POLICY = b"""
grants:
  - {who: [ada], may: [read], on: ["diary/open.*"]}
"""
HTML = {"Accept": "text/html,application/xhtml+xml"}


class Site:
    """A server that asks who everybody is, in this process."""

    def __init__(self, url: str, root: str) -> None:
        self.url, self.root = url, root
        with Client(f"{url}/diary", token=root) as client:
            self.ada: str = client.create_token("ada")["token"]
            self.nobody: str = client.create_token("eve")["token"]
            client.create_namespace("rainer", format="yaml")
            client.in_namespace("rainer").commit("policy", POLICY, version=1)
            client.commit("open.a", b"for all", version=1)
            client.commit("shut.b", b"for few", version=1)
            client.changes(since=0)  # the thread that reads the feed is the server's, and no test's

    def sign_in(self, token: str, onward: str = "") -> tuple[requests.Session, requests.Response]:
        session = requests.Session()
        page = session.get(f"{self.url}/-/ui/-/sign-in", timeout=10)
        form = {"token": token, "form_token": form_token(page.text), "next": onward}
        answer = session.post(f"{self.url}/-/ui/-/sign-in", form, timeout=10, allow_redirects=False)
        return session, answer


def form_token(page: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def site(_guardian: None) -> Iterator[Site]:
    root = secrets.new_secret()
    access = AccessOptions(is_on=True, bootstrap_token=root)
    options = ServiceOptions(access=access, pages=PagesOptions())
    with Journal("memory:") as journal, hosted(create_app(journal, options)) as url:
        yield Site(url, root)


def test_every_page_allows_nothing_but_our_own_files(served: RainerServer) -> None:
    session = requests.Session()
    evil = f"/-/ui/diary/{requests.utils.quote(EVIL, safe='')}"
    for path in ("/-/ui", "/-/ui/diary", evil, f"{evil}/history", "/-/ui/nothing", "/-/ui/diary/endless?piece=3"):
        answer = session.get(served.url + path, timeout=20)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.count("default-src 'none'") == 1, "two policies hold both at once"
        assert "sandbox" not in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not re.search(r"<script(?! type=\"module\" src=)|\son[a-z]+=|\sstyle=|javascript:", clean(answer.text))
        assert "{{" not in clean(answer.text).replace("{{7*7}}", "")
    for name in re.findall(r'(?:href|src)="(/-/ui/-/static/[^"]+)"', answer.text):
        kept = session.get(served.url + name, timeout=10)
        assert "immutable" in kept.headers["Cache-Control"]
        assert "sandbox" in kept.headers["Content-Security-Policy"]
    session.close()


def clean(page: str) -> str:
    """A page without what is escaped in it, and so is no markup."""
    return re.sub(r"&[a-z0-9#]+;[^<>&]*", "", page)


def test_only_browsers_are_sent_to_the_pages(served: RainerServer) -> None:
    for path in ("/", "/-/ui/"):
        asked = requests.get(served.url + path, headers=HTML, timeout=10, allow_redirects=False)
        assert (asked.status_code, asked.headers["Location"]) == (303, "/-/ui")
    plain = requests.get(f"{served.url}/", timeout=10)
    assert (plain.status_code, plain.json()["code"]) == (404, "not-found")
    assert requests.get(f"{served.url}/diary/gone", headers=HTML, timeout=10).content == b""


def test_a_download_is_the_payload_and_never_a_page(served: RainerServer) -> None:
    answer = requests.get(f"{served.url}/-/ui/diary/bytes/download", timeout=10)
    assert answer.content == bytes(range(256)) * 10
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "path", ["diary?at=999999", "diary?at=x", "diary?time=yesterday", "diary/endless?version=0", "diary/k%2Fk", "-/x"]
)
def test_what_is_not_there_is_told_in_words(path: str, served: RainerServer) -> None:
    answer = requests.get(f"{served.url}/-/ui/{path}", timeout=10)
    assert answer.status_code in (400, 404)
    assert '<p class="wrong" role="alert">' in answer.text


def test_a_time_leads_to_the_revision_of_then(served: RainerServer) -> None:
    asked = requests.get(f"{served.url}/-/ui/prices?time=2001-01-01T00:00", timeout=10, allow_redirects=False)
    assert asked.headers["Location"] == "/-/ui/prices?at=0"
    asked = requests.get(f"{served.url}/-/ui/prices?time=2999-01-01T00:00Z", timeout=10)
    assert "eu.json" in asked.text


def test_a_session_stands_for_its_token_and_holds_none(site: Site) -> None:
    refused = requests.get(f"{site.url}/-/ui", headers=HTML, timeout=10)
    assert (refused.status_code, "Sign in" in refused.text) == (401, True)
    session, answer = site.sign_in(site.ada, "/-/ui/diary")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/-/ui/diary")
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
    assert site.ada not in cookie
    page = session.get(f"{site.url}/-/ui/diary", timeout=10).text
    assert "open.a" in page
    assert "shut.b" not in page
    assert "shut.b" not in session.get(f"{site.url}/-/ui/diary?q=for", timeout=10).text
    assert "shut.b" not in session.get(f"{site.url}/-/ui/diary?view=changes", timeout=10).text
    assert session.get(f"{site.url}/-/ui/diary/shut.b", timeout=10).status_code == 403
    feed = session.get(f"{site.url}/-/changes?namespace=diary", timeout=10)  # which pages follow
    assert [change["key"] for change in feed.json()["changes"]] == ["open.a"]
    assert session.get(f"{site.url}/diary/open.a", timeout=10).status_code == 403  # the API takes no cookies
    session.post(f"{site.url}/-/ui/-/sign-out", {"form_token": form_token(page)}, timeout=10)
    assert session.get(f"{site.url}/-/ui/diary", timeout=10).status_code == 401
    session.close()


def test_a_revoked_token_ends_its_sessions(site: Site) -> None:
    with Client(f"{site.url}/diary", token=site.root) as root:
        made = root.create_token("ada")
        session, _ = site.sign_in(made["token"])
        assert session.get(f"{site.url}/-/ui/diary", timeout=10).status_code == 200
        root.revoke_token(made["id"])
    ended = session.get(f"{site.url}/-/ui/diary", timeout=10)
    assert (ended.status_code, "session has ended" in ended.text) == (401, True)
    assert session.get(f"{site.url}/-/ui/-/sign-in", timeout=10).status_code == 200
    session.close()


def test_a_wrong_token_and_a_foreign_form_are_refused(site: Site) -> None:
    session, answer = site.sign_in("rnr_aaaaaaaa_" + "x" * 43)
    assert (answer.status_code, "proves nothing here" in answer.text) == (401, True)
    token = form_token(session.get(f"{site.url}/-/ui/-/sign-in", timeout=10).text)
    form = {"token": site.ada, "form_token": token}
    address = f"{site.url}/-/ui/-/sign-in"
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert session.post(address, form, headers=headers, timeout=10).status_code in (401, 403)
    assert session.post(address, form | {"form_token": "0" * 64}, timeout=10).status_code in (401, 403)
    assert requests.post(address, form, timeout=10).status_code in (401, 403)  # without the cookie it is bound to
    good = session.post(address, form, headers={"Origin": site.url}, timeout=10, allow_redirects=False)
    assert good.status_code == 303
    session.close()


@pytest.mark.parametrize(
    "onward",
    [
        "https://evil.example/", "//evil.example/-/ui", "///evil.example/-/ui", "/-/ui\\@evil", "/diary",
        "javascript:alert(1)", "//[", "/-/ui/\u4e2d", "/-/ui\r\nSet-Cookie: a=b",
    ],
)  # fmt: skip
def test_nobody_is_sent_elsewhere_after_signing_in(onward: str, site: Site) -> None:
    session, answer = site.sign_in(site.ada, onward)
    assert (answer.status_code, answer.headers.get("Location")) == (303, "/-/ui")
    page = session.get(f"{site.url}/-/ui/-/sign-in", params={"next": onward}, timeout=10)
    assert 'name="next" value=""' in page.text
    session.close()


@pytest.mark.parametrize(
    "other", ['filter={"a":1}', "a b=c", "bare; k=v", 'half="', "=", "x=\xe9", "z=" + "z" * 20_000]
)
def test_cookies_of_whatever_else_runs_on_this_host_sign_nobody_out(other: str, site: Site) -> None:
    session, _ = site.sign_in(site.ada)
    cookies = f"{other}; rainer_session={session.cookies['rainer_session']}"
    answer = requests.get(f"{site.url}/-/ui/diary", headers={"Cookie": cookies.encode("latin-1")}, timeout=10)
    assert answer.status_code == 200
    session.close()


def test_every_page_says_what_it_needs() -> None:
    assert {path for _, path, _, needs in TABLE if needs.of == "nothing"} == {
        "/-/ui/-/static/{hash}/{name}", "/-/ui/-/sign-in", "/-/ui/-/sign-out",
    }  # fmt: skip


def test_a_namespace_too_large_to_be_held_is_searched_and_sorted_all_the_same() -> None:
    options = ServiceOptions(pages=PagesOptions(memory_bytes=5_000))
    with Journal("memory:") as journal, hosted(create_app(journal, options)) as url:
        for number in range(120):
            journal.append(f"k{number:03}", f"needle {number}".encode() * 20, version=1, author="ada")
        page = requests.get(f"{url}/-/ui/diary?q=needle+7", timeout=10).text
        assert page.count("data-row") == 21
        assert "120 keys were searched" in page
        page = requests.get(f"{url}/-/ui/diary?sort=changed", timeout=10).text
        assert page.count("data-row") == 100
        assert "sorted by key" in page


def test_without_pages_there_are_none() -> None:
    with Journal("memory:") as journal, hosted(create_app(journal)) as url:
        assert requests.get(f"{url}/-/ui", headers=HTML, timeout=10).json()["code"] == "not-found"
        assert requests.get(f"{url}/", headers=HTML, timeout=10).json()["code"] == "not-found"
