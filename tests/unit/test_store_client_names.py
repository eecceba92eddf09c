"""Names of files in a file store: what can be one, what cannot, and what the error says."""

from __future__ import annotations

import pytest

from rainer.errors import InvalidError
from rainer.store.client_names import VERSION_MAX, FileName, check_prefix


@pytest.mark.parametrize(
    ("text", "path", "version"),
    [
        ("/a", "/a", None),
        ("/a/b.csv@17", "/a/b.csv", 17),
        ("/ä 語/%2f?#&+", "/ä 語/%2f?#&+", None),
        ("/a@0", "/a", 0),
        (f"/a@{VERSION_MAX}", "/a", VERSION_MAX),
        ("/" + "x" * 255, "/" + "x" * 255, None),
        ("/...", "/...", None),
    ],
)
def test_names(text: str, path: str, version: int | None) -> None:
    assert FileName.parse(text) == FileName(path, version)
    assert str(FileName.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a/b", "/", "//", "/a/", "//a", "/a//b", "/a/../b", "/..", "/./a", "/a@", "/a@x", "/a@-1", "/a@1@2",
        "/a@1/b", "/a@1.5",
        "/a@\u0661", f"/a@{VERSION_MAX + 1}", "/a\0b", "/a\nb", "/a\x85", "/\ud800", "/" + "x" * 256,
        "/x" * 513,
    ],
)  # fmt: skip
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        FileName.parse(text)
    assert caught.value.hint


def test_what_is_no_text() -> None:
    with pytest.raises(InvalidError, match="text, not bytes"):
        FileName.parse(b"/a")  # type: ignore[arg-type]


def test_prefixes() -> None:
    assert [check_prefix(text) for text in ("", "/", "/a/b/", "a")] == ["", "", "a/b", "a"]
    with pytest.raises(InvalidError):
        check_prefix("/a/../b")
