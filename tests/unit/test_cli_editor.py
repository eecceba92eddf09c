"""Where editors begin, each told in its own way."""

from __future__ import annotations

from pathlib import Path

import pytest

from rainer.cli.editor import _places


@pytest.mark.parametrize(
    ("editor", "places"),
    [
        ("vi", ["+7", "FILE"]),
        ("/usr/bin/vim.tiny -u NONE", ["+7", "FILE"]),
        ("emacs-nox", ["+7", "FILE"]),
        ("nano", ["+7", "FILE"]),
        ("code -w", ["--goto", "FILE:7"]),
        ("subl --wait", ["FILE:7"]),
        ("hx", ["FILE:7"]),
        ("idea --wait", ["--line", "7", "FILE"]),
        ("sed -i s/1/2/", ["FILE"]),
        ("/opt/my editor", ["FILE"]),
        ("'", ["FILE"]),
        ("", ["FILE"]),
    ],
)
def test_editors_are_told_the_line_in_their_own_way(editor: str, places: list[str]) -> None:
    assert _places(editor, Path("FILE"), 7) == places
    assert _places(editor, Path("FILE"), None) == ["FILE"]
