"""What forms that change keys do without a browser: every text is kept, nothing is committed twice or by strangers."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from rainer.api.pages.fields import EDIT_BYTES_MAX
from rainer.errors import NotFoundError
from rainer.journal.administration import set_namespace_closed
from tests.integration.pages.changing import LINES, Desk, Visitor, alert, desk, hidden, text_of
from tests.integration.pages.deciding import form_token

pytestmark = pytest.mark.xdist_group("pages")


@pytest.fixture(scope="module", name="desk")
def _desk(_guardian: None) -> Iterator[Desk]:
    with desk() as made:
        yield made


@pytest.fixture
def visitor(desk: Desk) -> Iterator[Visitor]:
    made = Visitor(desk)
    yield made
    made.session.close()


# Texts, to the byte


@pytest.mark.parametrize(
    ("payload", "edited"),
    [
        (b"a\r\nb\r\n", b"a\r\nb\r\nc\r\n"), (b"a\nb", b"a\nb\nc"), (b"\n\na\n", b"\n\na\n\nc"),
        (b"</textarea><script>\n", b"</textarea><script>\nc"),
        ("\ufeff\u202ea\n".encode(), "\ufeff\u202ea\nc".encode()),
    ],
)  # fmt: skip
def test_what_nobody_touched_stays_to_the_byte(payload: bytes, edited: bytes, desk: Desk, visitor: Visitor) -> None:
    key = desk.key(payload)
    page = visitor.get(desk.path(key))
    text = text_of(page) + edited.decode().replace("\r\n", "\n")[len(text_of(page)) :]
    answer = visitor.post(desk.path(key), text=text, ends=hidden(page, "ends"))
    assert (answer.status_code, answer.headers.get("Location")) == (303, f"/-/ui/diary/{key}?done=2")
    assert desk.head(key).payload == edited
    assert (desk.head(key).author, desk.head(key).comment) == ("grace", "Mine")


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (bytes(range(256)), "no text"),
        (b"a\x00\n", "U+0000"),
        (b"a\r\nb\n", "Some of its lines"),
        (b"x" * 600_000, "600 kB"),
    ],
)
def test_what_a_text_field_would_change_is_not_put_into_one(
    payload: bytes, words: str, desk: Desk, visitor: Visitor
) -> None:
    key = desk.key(payload)
    page = visitor.get(desk.path(key)).text
    assert words in page
    assert '<textarea id="text"' not in page
    assert f"rainer --url {desk.url}/diary commit {key}" in page
    for step in ("review", "commit"):
        answer = visitor.post(desk.path(key), step=step, file="")
        assert (answer.status_code, "no file was chosen" in answer.text) == (422, True)
    for step in ("review", "commit"):
        answer = visitor.post(desk.path(key), step=step, file="")
        assert (answer.status_code, "no file was chosen" in answer.text) == (422, True), "nothing is no choice"
    file = base64.urlsafe_b64encode(b"\x00\xffnew").decode()
    assert "would take it" in visitor.post(desk.path(key), step="review", file=file).text
    assert visitor.post(desk.path(key), file=file).status_code == 303
    assert desk.head(key).payload == b"\x00\xffnew"
    assert visitor.post(desk.path(key), base="2", file="!!").status_code == 400


def test_a_text_too_large_is_refused_and_given_back(desk: Desk, visitor: Visitor) -> None:
    key, text = desk.key(), "é" * (EDIT_BYTES_MAX // 2 + 1)
    answer = visitor.post(desk.path(key), text=text)
    assert (answer.status_code, text_of(answer)) == (422, text)
    assert "over the 512 kB" in alert(answer)
    assert desk.head(key).version == 1


# Once, and on the newest version


def test_a_form_sent_twice_commits_once(desk: Desk, visitor: Visitor) -> None:
    key = desk.key()
    review = visitor.post(desk.path(key), text="new\n", step="review")
    form = {"text": "new\n", "commit_id": hidden(review, "commit_id")}
    answers = [visitor.post(desk.path(key), **form) for _ in range(2)]
    answers.append(visitor.post(desk.path(key), text="new\n"))  # and from a page that is older than the first
    assert {answer.headers.get("Location") for answer in answers} == {f"/-/ui/diary/{key}?done=2"}
    assert desk.head(key).version == 2
    other = visitor.post(desk.path(key), text="new\n", author="eve")
    assert (other.status_code, "grace has committed just this" in other.text) == (409, True)
    same = visitor.post(desk.path(key), text="new\n", base="2")
    assert "Nothing is changed" in same.text
    desk.commit(key, b"newer\n", 3)
    late = visitor.post(desk.path(key), **form)  # the first answer was lost, and others went on
    assert late.headers.get("Location") == f"/-/ui/diary/{key}?done=2"
    assert desk.head(key).version == 3


def test_changes_that_do_not_touch_are_merged_and_those_that_do_are_shown(desk: Desk, visitor: Visitor) -> None:
    key = desk.key()
    desk.commit(key, LINES.replace(b"one", b"ONE"), 2)
    answer = visitor.post(desk.path(key), text=LINES.decode().replace("six", "SIX"))
    assert (answer.status_code, hidden(answer, "base")) == (409, "2")
    assert text_of(answer) == LINES.decode().replace("six", "SIX").replace("one", "ONE")
    assert "ada was first" in answer.text
    assert "Theirs" in answer.text
    touching = visitor.post(desk.path(key), text=LINES.decode().replace("one", "uno"))
    assert "<<<<<<< yours\nuno\n||||||| version 1\none\n=======\nONE\n>>>>>>> version 2 by ada\n" in text_of(touching)
    for step in ("review", "commit"):
        form = {"text": text_of(touching), "base": "2", "merged": hidden(touching, "merged"), "step": step}
        refused = visitor.post(desk.path(key), **form)
        assert (refused.status_code, "conflict mark" in alert(refused)) == (422, True)
        assert text_of(refused) == text_of(touching)
    assert desk.head(key).version == 2
    assert visitor.post(desk.path(key), text="uno\n", base="2", merged="yes").status_code == 303


def test_a_removal_meanwhile_and_a_file_meanwhile_are_told(desk: Desk, visitor: Visitor) -> None:
    key = desk.key()
    desk.commit(key, None, 2)
    removed = visitor.post(desk.path(key), text=LINES.decode() + "seven\n")
    assert (removed.status_code, "removed the key" in removed.text, "seven" in text_of(removed)) == (409, True, True)
    desk.commit(key, b"\x00", 3)
    unfit = visitor.post(desk.path(key), text="mine\n")
    assert (unfit.status_code, "cannot be brought together" in unfit.text) == (409, True)
    assert "mine" in unfit.text
    file = visitor.post(desk.path(key), file=base64.urlsafe_b64encode(b"\xff").decode())
    assert (file.status_code, hidden(file, "base"), "ada was first" in file.text) == (409, "3", True)
    assert desk.head(key).version == 3


# Refused, and the text given back


def test_what_the_format_and_the_rules_refuse_is_told_at_its_line(desk: Desk, visitor: Visitor) -> None:
    key = desk.key(b"{}\n", "json", "json")
    page = desk.path(key, namespace="json")
    answer = visitor.post(page, text='{\n  "a": 1,\n}\n', step="review")
    assert (answer.status_code, text_of(answer)) == (422, '{\n  "a": 1,\n}\n')
    assert alert(answer).startswith("Line 3, column 1:")
    said = visitor.post(desk.path(key, "check", "json"), text='{\n  "a": 1,\n}\n').json()
    assert (said["fault"]["line"], said["head"]) == (3, 1)
    assert visitor.post(desk.path(key, "check", "json"), text="{}").json()["fault"] is None
    desk.commit("shape", b"{}", 1, namespace="ruled")
    said = visitor.post(desk.path("shape", "check", "ruled"), text='{\n"port": "x"}').json()
    assert (said["fault"]["line"], said["fault"]["pointer"]) == (2, "/port")
    assert said["fault"]["rule"] == "schema shape on ruled/shape*"


def test_the_system_namespace_is_edited_and_its_documents_are_held_to_what_can_be_obeyed(
    desk: Desk, visitor: Visitor
) -> None:
    text = "rules:\n  - {on: 'ruled/*', sizes: 3}\n"
    answer = visitor.post("/-/ui/rainer/rules/edit", text=text)
    assert (answer.status_code, text_of(answer)) == (422, text)
    assert "Line 2" in alert(answer)
    unknown = visitor.post("/-/ui/rainer/polcy/edit", text="a: 1\n", base="0", step="review")
    assert "did you mean policy?" in alert(unknown)


def test_force_sets_rules_aside_where_somebody_says_so(desk: Desk, visitor: Visitor) -> None:
    desk.commit("small", b"1234567890", 1, namespace="ruled")
    page, text = "/-/ui/ruled/small/edit", "x" * 100
    review = visitor.post(page, text=text, step="review")
    assert (review.status_code, 'name="forced"' in review.text) == (422, True)
    assert "for ever" in review.text
    form = {"text": text, "commit_id": hidden(review, "commit_id")}
    refused = visitor.post(page, **form)
    assert (refused.status_code, hidden(refused, "text")) == (422, text)
    assert visitor.post(page, **form, forced="yes").status_code == 303
    head = desk.head("small", "ruled")
    assert head.marks is not None
    assert head.marks.forced
    gone = visitor.post("/-/ui/ruled/small/remove", base="2")
    assert (gone.status_code, 'name="forced"' in gone.text) == (422, True)
    assert visitor.post("/-/ui/ruled/small/remove", base="2", forced="yes").status_code == 303


def test_hooks_are_asked_by_the_review_and_not_while_one_types(desk: Desk, visitor: Visitor) -> None:
    page = "/-/ui/ruled/asked/edit"
    assert visitor.post("/-/ui/ruled/asked/check", base="0", text="new").json()["fault"] is None
    review = visitor.post(page, base="0", text="new", step="review")
    assert (review.status_code, hidden(review, "text"), 'name="forced"' in review.text) == (422, "new", True)
    assert "cannot be checked by the rule" in alert(review)


@pytest.mark.parametrize("missing", ["comment", "author"])
def test_a_change_says_why_and_who(missing: str, desk: Desk, visitor: Visitor) -> None:
    key = desk.key()
    answer = visitor.post(desk.path(key), text="new\n", **{missing: " "})
    assert (answer.status_code, hidden(answer, "text")) == (422, "new\n")
    assert "nobody says" in alert(answer)
    assert desk.head(key).version == 1


def test_a_form_of_another_session_is_given_back_and_one_of_another_site_is_not(desk: Desk, visitor: Visitor) -> None:
    key = desk.key()
    old = visitor.post(desk.path(key), text="precious\n", form_token="0" * 64)
    assert (old.status_code, text_of(old), hidden(old, "commit_id") if "commit_id" in old.text else "") == (
        403, "precious\n", "",
    )  # fmt: skip
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        foreign = visitor.post(desk.path(key), headers, text="planted\n")
        assert (foreign.status_code, "planted" in foreign.text) == (403, False)
    assert desk.head(key).version == 1
    again = visitor.post(desk.path(key), text=text_of(old), form_token=form_token(old.text))
    assert again.status_code == 303


# Back, and gone


def test_a_key_is_reverted_removed_and_brought_back(desk: Desk, visitor: Visitor) -> None:
    key = desk.key()
    desk.commit(key, b"worse\n", 2)
    page = visitor.get(desk.path(key, "revert?to=1"))
    assert "Revert to version 1</textarea>" in page.text
    form = {"base": "2", "to": "1", "commit_id": hidden(page, "commit_id"), "comment": "Revert to version 1"}
    locations = {visitor.post(desk.path(key, "revert"), **form).headers.get("Location") for _ in range(2)}
    assert locations == {f"/-/ui/diary/{key}?done=3"}
    assert desk.head(key).payload == LINES
    moved = visitor.post(desk.path(key, "remove"), base="2")
    assert (moved.status_code, hidden(moved, "base"), "meanwhile" in moved.text) == (409, "3", True)
    assert visitor.post(desk.path(key, "remove"), base="3").status_code == 303
    assert desk.head(key).is_empty
    assert "can be brought back" in visitor.get(f"/-/ui/diary/{key}").text
    assert "removed already" in visitor.get(desk.path(key, "remove")).text
    assert visitor.post(desk.path(key, "revert"), base="4", to="3").status_code == 303
    assert desk.head(key).payload == LINES
    assert visitor.post(desk.path(key, "revert"), base="5", to="9").status_code == 404


def test_a_new_key_gets_a_name_and_a_first_version(desk: Desk, visitor: Visitor) -> None:
    taken = visitor.get(f"/-/ui/-/new?namespace=diary&key={desk.key()}")
    assert (taken.status_code, "Edit it" in taken.text) == (409, True)
    assert visitor.get("/-/ui/-/new?namespace=diary&key=a%2Fb").status_code == 400
    key = desk.key(None)
    page = visitor.get(f"/-/ui/-/new?namespace=diary&key={key}")
    assert (page.url, hidden(page, "base")) == (f"{desk.url}/-/ui/diary/{key}/edit", "0")
    assert visitor.post(desk.path(key), base="0", text="first\n").status_code == 303
    assert desk.head(key).payload == b"first\n"
    with pytest.raises(NotFoundError):
        desk.head("edit")


def test_nothing_is_offered_where_nothing_may_be_done(desk: Desk, visitor: Visitor) -> None:
    desk.journal.create_namespace("shut", format="any")
    desk.commit("k", b"x", 1, namespace="shut")
    assert "/revert" not in visitor.get("/-/ui/shut/k").text
    set_namespace_closed(desk.journal.engine, "shut", True)
    closed = visitor.get("/-/ui/shut/k").text
    assert "/remove" not in closed
    assert "New key" not in visitor.get("/-/ui/shut").text
    for answer in (visitor.get("/-/ui/shut/k/edit"), visitor.post("/-/ui/shut/k/edit", text="mine\n")):
        assert (answer.status_code, "closed" in answer.text) == (403, True)
    assert "mine" in answer.text
