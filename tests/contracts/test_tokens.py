"""The table of tokens, the same on every database."""

from __future__ import annotations

import threading

import pytest

from rainer.access.tokens import Token, TokenTable, digest_of, id_of
from rainer.errors import InvalidError, NotFoundError
from rainer.journal import Journal
from rainer.model import times
from rainer.model.identity import is_token


@pytest.fixture
def table(journal: Journal) -> TokenTable:
    return TokenTable(journal.engine)


def test_a_token_is_made_found_and_listed_but_its_text_is_kept_nowhere(table: TokenTable) -> None:
    made, text = table.create("ada@example.com", created_by="bootstrap")
    assert is_token(text)
    assert (id_of(text), digest_of(text)) == (made.id, made.sha256)
    assert table.find(made.id) == made
    assert (made.name, made.created_by, made.expires_ms, made.last_used_ms) == (
        "ada@example.com",
        "bootstrap",
        None,
        None,
    )
    other, _ = table.create("語 élan", created_by="語")
    assert {token.id: token for token in table.list()} == {made.id: made, other.id: other}
    assert text not in str(made.as_dict(0))
    assert table.find("aaaaaaaa") is None


def test_it_ends_to_prove_anything_when_it_expires(table: TokenTable) -> None:
    made, _ = table.create("ada", created_by="me", life_ms=60_000)
    assert made.expires_ms == made.created_ms + 60_000
    assert made.is_live(made.expires_ms - 1)
    assert not made.is_live(made.expires_ms)
    assert [made.state(now) for now in (made.created_ms, made.expires_ms)] == ["live", "expired"]
    for life_ms in (0, -1, 10**18):
        with pytest.raises(InvalidError, match="not allowed"):
            table.create("ada", created_by="me", life_ms=life_ms)
    with pytest.raises(InvalidError, match="taken"):
        table.create("anonymous", created_by="me")
    assert len(table.list()) == 1


def test_it_is_revoked_once(table: TokenTable) -> None:
    made, _ = table.create("ada", created_by="me")
    before_ms = times.now_ms()
    revoked = table.revoke(made.id)
    assert revoked.revoked_ms is not None
    assert before_ms <= revoked.revoked_ms <= times.now_ms()
    assert (revoked.state(0), table.revoke(made.id), table.find(made.id)) == ("revoked", revoked, revoked)
    with pytest.raises(NotFoundError, match="aaaaaaaa"):
        table.revoke("aaaaaaaa")


def test_the_last_use_only_grows(table: TokenTable) -> None:
    made, _ = table.create("ada", created_by="me")
    for now_ms in (500, 400, 600):
        table.note_use(made.id, now_ms)
    table.note_use("aaaaaaaa", 1)
    assert _found(table, made).last_used_ms == 600


def test_many_are_made_and_used_at_once(table: TokenTable) -> None:
    made: list[Token] = []

    def work(number: int) -> None:
        token, _ = table.create(f"user {number}", created_by="me")
        table.note_use(token.id, number + 1)
        made.append(token)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {token.name: token.last_used_ms for token in table.list()}
    assert found == {f"user {number}": number + 1 for number in range(6)}


def _found(table: TokenTable, token: Token) -> Token:
    found = table.find(token.id)
    assert found is not None
    return found
