"""Output: nothing that others wrote steers a terminal, and what goes into a pipe is what they wrote."""

from __future__ import annotations

import io
import re
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.cli.terminal import STYLES, Output, paged, visible

_COLOUR = re.compile("\x1b\\[[0-9;]*m")


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text())
def test_what_is_visible_holds_no_control_and_no_direction(text: str) -> None:
    shown = visible(text)
    assert [c for c in shown if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") and c != "\t"] == []
    assert [c for c in shown if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI")] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("bell\a", "bell\\x07"),
        ("a\rb", "a\\rb"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ufeff{}", "\\ufeff{}"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\ud800", "\\ud800"),
        ("tab\tstays, é and 中 and \U0001f600 too", "tab\tstays, é and 中 and \U0001f600 too"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
    ],
)
def test_escapes(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_terminal_gets_colours_and_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Tty()
    Output(stream, terminal=True, raw=True).line(("+", "added"), ("new\x1b[2J", "added word"), " plain")
    assert "\x1b[2J" not in stream.getvalue()
    assert "\x1b[" in stream.getvalue()
    assert _COLOUR.sub("", stream.getvalue()) == "+new\\x1b[2J plain\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colours_gets_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(name, value)
    stream = Tty()
    Output(stream, terminal=True).line(("red", "removed"), ("green", "added"))
    assert stream.getvalue() == "redgreen\n"


def test_a_pipe_gets_data_as_it_is_and_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    stream = io.StringIO()
    Output(stream, terminal=False, raw=True).line(("a\x1b[31mb\r", "removed"))
    assert stream.getvalue() == "a\x1b[31mb\r\n"


def test_talk_is_escaped_even_in_a_file() -> None:
    stream = io.StringIO()
    Output(stream, terminal=False).line("author \x1b]0;title\a")
    assert stream.getvalue() == "author \\x1b]0;title\\x07\n"


@pytest.mark.parametrize("style", STYLES)
def test_every_style_can_be_rendered(monkeypatch: pytest.MonkeyPatch, style: str) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Tty()
    Output(stream, terminal=True).line(("x", style))
    assert _COLOUR.sub("", stream.getvalue()) == "x\n"
    assert stream.getvalue() != "x\n"


def test_a_pager_gets_the_text_of_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Tty())
    page = tmp_path / "page"
    with paged(f"cat > {page}") as out:
        out.line("one\x1b")
    assert page.read_text() == "one\\x1b\n"


def test_a_pager_that_is_left_early_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Tty())
    made = []
    with paged("head -n 1 > /dev/null") as out:
        for n in range(1_000_000):
            out.line("x" * 1000)
            made.append(n)
    assert len(made) < 100_000


@pytest.mark.parametrize(
    ("pager", "term"),
    [("no-such-program-anywhere", "xterm"), ("cat", "xterm"), ("", "xterm"), ("unbalanced '", "xterm"), ("wc", "dumb")],
)
def test_without_a_pager_the_text_goes_to_the_terminal(monkeypatch: pytest.MonkeyPatch, pager: str, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    stream = Tty()
    monkeypatch.setattr(sys, "stdout", stream)
    with paged(pager) as out:
        out.line("one")
    assert stream.getvalue() == "one\n"


def test_into_a_pipe_no_pager_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    with paged(f"cat > {tmp_path / 'page'}") as out:
        out.line("one")
    assert stream.getvalue() == "one\n"
    assert not (tmp_path / "page").exists()
