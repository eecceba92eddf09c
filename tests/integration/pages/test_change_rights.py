"""Changing keys where people sign in: rights, approvals, and texts that outlive sessions and busy servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from rainer.access import AccessOptions
from rainer.api.app import create_app
from rainer.journal import Journal
from rainer.service import PagesOptions, ServiceOptions
from tests.integration.hosted import hosted
from tests.integration.pages.changing import hidden, text_of
from tests.integration.pages.deciding import Town, form_token, sign_in, town
from tests.services import secrets

pytestmark = pytest.mark.xdist_group("pages")


@pytest.fixture(scope="module", name="town")
def _town(_guardian: None) -> Iterator[Town]:
    with town() as made:
        yield made


def test_who_may_only_read_is_offered_nothing(town: Town) -> None:
    page = town.get("rita", "/-/ui/prod/app.yaml").text
    assert "app.yaml/edit" not in page
    assert "app.yaml/remove" not in page
    assert "New key" not in town.get("rita", "/-/ui/prod").text
    for who in ("rita", "wendy"):  # one may only read, the other not even that
        answer = town.post(who, "/-/ui/prod/app.yaml/edit", base="1", text="mine\n", comment="x", step="commit")
        assert (answer.status_code, text_of(answer)) == (403, "mine\n")
    assert "app.yaml/edit" in town.get("ada", "/-/ui/prod/app.yaml").text
    forced = town.post(
        "ada", "/-/ui/prod/app.yaml/edit", base="1", text="a: 1\n", comment="x", step="commit", forced="yes"
    )
    assert forced.status_code == 403
    assert town.version("app.yaml") == 1


def test_a_key_that_needs_approval_is_proposed_from_its_editor(town: Town) -> None:
    form = {"base": "1", "text": "host: db-9\n", "comment": "A larger one"}
    review = town.post("ada", "/-/ui/prod/db.yaml/edit", **form, step="review")
    assert (review.status_code, 'value="propose"' in review.text, 'value="commit"' in review.text) == (422, True, False)
    made = town.post("ada", "/-/ui/prod/db.yaml/edit", **form, step="propose")
    address = made.headers["Location"]
    assert (made.status_code, address.rpartition("/")[0]) == (303, "/-/ui/-/proposals")
    assert town.state(address.rpartition("/")[2]) == "open"
    assert town.version("db.yaml") == 1


def test_a_text_is_given_back_by_a_server_that_has_too_much_to_do() -> None:
    root = secrets.new_secret()
    access = AccessOptions(is_on=True, bootstrap_token=root, rate_per_s=1, rate_burst=20)
    options = ServiceOptions(access=access, pages=PagesOptions())
    with Journal("memory:") as journal, hosted(create_app(journal, options)) as url, requests.Session() as session:
        session.cookies.update(sign_in(url, root))
        page = f"{url}/-/ui/diary/k/edit"
        form = {
            "form_token": form_token(session.get(page, timeout=20).text),
            "base": "0",
            "text": "mine\n",
            "step": "review",
        }
        answers = [session.post(page, form, timeout=20) for _ in range(40)]
        busy = next(answer for answer in answers if answer.status_code == 429)
    assert (text_of(busy), hidden(busy, "step")) == ("mine\n", "review")
    assert int(busy.headers["Retry-After"]) >= 1
    assert "Nothing was done" in busy.text


def test_a_text_outlives_the_session_that_it_was_written_in(town: Town) -> None:
    made = town.ask("bootstrap", "POST", "/-/tokens", {"name": "ada"}).json()
    page = "/-/ui/prod/app.yaml/edit"
    with requests.Session() as session:
        session.cookies.update(sign_in(town.url, made["token"]))
        opened = session.get(town.url + page, timeout=20)
        form = {"form_token": form_token(opened.text), "base": hidden(opened, "base"), "text": "workers: 8\n"}
        form |= {"comment": "For the sale", "step": "commit"}
        town.ask("bootstrap", "DELETE", f"/-/tokens/{made['id']}")
        ended = session.post(town.url + page, form, timeout=20)
        assert (ended.status_code, text_of(ended), hidden(ended, "step")) == (401, "workers: 8\n", "commit")
        assert "For the sale" in ended.text
        assert 'href="/-/ui/prod/app.yaml" aria-current' in ended.text, "whose text it is stays to be seen"
        unknown = session.post(town.url + page, form, timeout=20)  # by now the browser has forgotten the session
        assert (unknown.status_code, text_of(unknown)) == (401, "workers: 8\n")
        session.cookies.update(sign_in(town.url, town.tokens["ada"]))
        again = session.post(town.url + page, form, timeout=20)
        assert (again.status_code, text_of(again)) == (403, "workers: 8\n")
        form["form_token"] = form_token(again.text)
        landed = session.post(town.url + page, form, timeout=20, allow_redirects=False)
        assert landed.status_code == 303
    assert town.version("app.yaml") == 2
    assert town.ask("ada", "GET", "/prod/app.yaml/meta").json()["author"] == "ada"
