"""What a browser's text field may hold: it comes back to the byte, or is never put into one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.api.pages.fields import EDIT_BYTES_MAX, NotEditable, editable, first_mark, labels, marks_left, payload_of
from rainer.errors import InvalidError
from rainer.model.merge import merge

PAYLOADS = st.one_of(
    st.text(alphabet=st.sampled_from("ab \t\n\r\u202e\ufeff\u200bé😀\x00\x1b\x0c\x85"), max_size=20).map(str.encode),
    st.binary(max_size=8),
)


def as_a_browser_sends(text: str) -> str:
    """What becomes of a text in a text field: the field knows LF alone, sends CR LF, and our forms make LF of it."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")


@given(PAYLOADS)
def test_what_can_be_edited_comes_back_to_the_byte(payload: bytes) -> None:
    try:
        found = editable(payload)
    except NotEditable:
        return
    assert payload_of(as_a_browser_sends(found.text), found.ends) == payload


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"\xff\xfe", "no text"), (b"a\x00b", "U+0000 in line 1"), (b"a\nb\x1b", "U+001B in line 2"),
        (b"a\r\nb\n", "Some of its lines"), (b"a\rb", "U+000D"), (b"x" * (EDIT_BYTES_MAX + 1), "at most 512 kB"),
    ],
)  # fmt: skip
def test_what_a_text_field_would_change_is_not_edited(payload: bytes, words: str) -> None:
    with pytest.raises(NotEditable, match=words.replace("+", r"\+")):
        editable(payload)


@pytest.mark.parametrize("payload", [b"", b"a\n", b"a", b"\na", b"a\r\nb\r\n", "\ufeffa\u200b\n".encode()])
def test_ordinary_texts_are_edited(payload: bytes) -> None:
    found = editable(payload)
    assert payload_of(found.text, found.ends) == payload
    assert found.hidden == sum(payload.decode().count(c) for c in "\ufeff\u200b")


@pytest.mark.parametrize("text", ["a\x00", "a\rb", "\ud800", "y" * (EDIT_BYTES_MAX + 1)])
def test_what_no_text_field_sends_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        payload_of(text, "lf")


@given(st.text(max_size=80))
def test_marks_of_conflicts_are_found_whoever_was_first(author: str) -> None:
    both = merge(b"a\nb\n", b"a\nmine\n", b"a\ntheirs\n").marked(**labels(4, 5, author)).decode()
    assert first_mark(both) == 2
    assert marks_left(both) == 1
    resolved = "\n".join(line for line in both.split("\n") if first_mark(line) is None)
    assert first_mark(resolved) is None
    assert first_mark("heading\n=======\n<<<<<<< HEAD\n") is None, "marks that are not ours are a text like every other"
