"""What pages of proposals say: to whom, how many approvals are missing, what stands in the way; without a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.pages.deciding import DB, LIST, POLICY, RULES, Town, page_of, town

pytestmark = [
    pytest.mark.xdist_group("pages"),
    pytest.mark.may_leak("the server runs in this process, and begins its threads when it needs them"),
]


@pytest.fixture(scope="module")
def place(_guardian: None) -> Iterator[Town]:
    with town() as found:
        yield found


def test_whoever_may_not_read_it_finds_nothing(place: Town) -> None:
    proposal = place.propose("ada", "hidden: yes\n", "A secret plan")
    for path in (page_of(proposal), f"{page_of(proposal)}?view=split"):
        assert place.get("oscar", path).status_code == 404
    for what in ("approve", "reject"):
        assert place.post("oscar", f"{page_of(proposal)}/{what}", comment="x").status_code == 404
    assert "A secret plan" not in place.get("oscar", f"{LIST}?state=all").text
    shown = place.get("rita", page_of(proposal))
    assert "cannot decide it" in shown.text
    assert place.post("rita", f"{page_of(proposal)}/reject", comment="x").status_code == 403
    blind = place.propose("wendy", "host: db-9\n", "Unseen")
    assert "You may write this key, and not read it" in place.get("wendy", page_of(blind)).text
    for one in (proposal, blind):
        assert place.post("bob", f"{page_of(one)}/reject", comment="no").status_code == 303


def test_a_keys_page_names_what_would_change_it_to_who_may_see_that(place: Town) -> None:
    one = place.propose_all("ada", {"app.yaml": "workers: 7\n", "vault.yaml": "seal: no\n"}, "Both at once")
    other = place.propose("bob", "workers: 8\n", "Another", "app.yaml")
    page = place.get("rita", "/-/ui/prod/app.yaml").text
    assert "2 open proposals change this key" in " ".join(page.split())
    assert page_of(one) in page
    assert "1 open proposal changes this key" in " ".join(
        place.get("rita", "/-/ui/prod/vault.yaml/history").text.split()
    )
    place.commit("bob", "quiet.yaml", "q: 1\n")
    assert 'class="notice waiting"' not in place.get("rita", "/-/ui/prod/quiet.yaml").text
    place.commit("bob", "app.yaml", "workers: 1\n")
    assert "proposals change" not in place.get("rita", "/-/ui/prod/app.yaml").text
    half = {"commits": [
        {"namespace": space, "key": "app.yaml", "version": place.version("app.yaml", space) + 1, "payload_utf8": "half"}
        for space in ("prod", "test")
    ]}  # fmt: skip
    assert place.ask("root", "POST", "/-/proposals", half).status_code == 201
    assert 'class="notice waiting"' in place.get("root", "/-/ui/prod/app.yaml").text
    assert 'class="notice waiting"' not in place.get("rita", "/-/ui/prod/app.yaml").text  # who may not read all of it
    assert {place.state(one), place.state(other)} == {"stale"}


def test_it_says_how_many_approvals_are_missing_and_which_do_not_count(place: Town) -> None:
    proposal = place.propose("ada", "seal: 2\n", key="vault.yaml")
    assert place.post("carol", f"{page_of(proposal)}/approve", comment="fine by me").status_code == 303
    shown = place.get("root", page_of(proposal)).text
    assert "1 more approval is missing" in shown
    assert "these may give it: bob, root." in shown
    assert "these may give it" not in place.get("rita", page_of(proposal)).text  # who may not read the policy
    again = place.get("carol", page_of(proposal)).text
    assert "You have approved of it" in again
    assert "Approve and commit" not in again
    with other_document(place, "policy", POLICY.replace("bob, carol", "bob")):
        assert "no longer counts" in place.get("bob", page_of(proposal)).text
    assert place.post("bob", f"{page_of(proposal)}/approve").status_code == 303
    assert "<strong>carol, bob</strong> approved, and it was committed" in place.get("rita", page_of(proposal)).text


def test_it_says_what_the_rules_in_force_would_refuse(place: Town) -> None:
    proposal = place.propose("ada", DB + "# more\n" * 200, "Longer")
    with other_document(place, "rules", RULES + '  - {on: "prod/*", size_change_max: 2x}\n'):
        shown = place.get("bob", page_of(proposal)).text
        assert "The rules in force refuse it now:" in shown
        assert "size_change_max" in shown
        refused = place.post("bob", f"{page_of(proposal)}/approve", comment="my words")
        assert (refused.status_code, "my words</textarea>" in refused.text) == (422, True)
    assert "refuse it now" not in place.get("bob", page_of(proposal)).text
    with other_document(place, "policy", POLICY.replace("group:ops], may: [read, write", "group:ops], may: [read")):
        assert "ada, who proposed this, may no longer write" in place.get("bob", page_of(proposal)).text
    assert place.post("bob", f"{page_of(proposal)}/reject", comment="no").status_code == 303


class other_document:  # noqa: N801
    """A document of the system's namespace as it is for a moment, and then again as it was."""

    def __init__(self, place: Town, key: str, text: str) -> None:
        self.place, self.key, self.text = place, key, text

    def __enter__(self) -> None:
        self.was = self.place.ask("bootstrap", "GET", f"/rainer/{self.key}").text
        self.place.commit("bootstrap", self.key, self.text, "rainer")

    def __exit__(self, *_: object) -> None:
        self.place.commit("bootstrap", self.key, self.was, "rainer")
