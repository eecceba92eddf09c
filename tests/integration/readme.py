"""README.md taken apart: its blocks of code, the commands in them with what they print, its tables and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PATH: Final = Path(__file__).resolve().parents[2] / "README.md"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT: Final = "$ "

# What differs from run to run, on both sides of a comparison.
_VOLATILE: Final = (
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<lineage>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<chain>"),
    (re.compile(r"\bhttp://127\.0\.0\.1:\d+"), "<server>"),
    (re.compile(r"\b(just now|\d+ minutes? ago)\b *"), "<ago> "),
)


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is the number of its first line inside the fence."""

    language: str
    line: int
    text: str


@dataclass(frozen=True)
class Command:
    """A command of a console block, and what the terminal then shows."""

    line: int
    text: str
    shown: str


def blocks(text: str, *languages: str) -> list[Block]:
    """The fenced blocks in these languages, in order."""
    return [
        Block(match[1], text.count("\n", 0, match.start(2)) + 1, match[2])
        for match in _FENCE.finditer(text)
        if match[1] in languages
    ]


def chapter(text: str, title: str) -> str:
    """The text of one chapter, without its title."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands(block: Block) -> list[Command]:
    """The commands of a console block; the lines below one are what it prints."""
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.startswith(_PROMPT):
            found.append(Command(number, line.removeprefix(_PROMPT), ""))
        else:
            last = found.pop()
            found.append(Command(last.line, last.text, f"{last.shown}{line}\n"))
    return found


def prose(text: str) -> str:
    """Everything outside the fenced blocks."""
    return _FENCE.sub("", text)


def spans(text: str) -> list[str]:
    """The inline code of a text without fenced blocks."""
    return re.findall(r"`([^`\n]+)`", text)


def links(text: str) -> list[str]:
    """The targets of the links to files of the checkout."""
    return re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)


def table(text: str, first_heading: str) -> list[tuple[str, ...]]:
    """The rows of the table whose first column is called so, without its heading."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first_heading} |")) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append(tuple(cell.strip() for cell in line.strip("|").split(" | ")))
    return rows


def normalised(output: str) -> str:
    """An output with what differs from run to run replaced, and without blanks at its very end."""
    for pattern, name in _VOLATILE:
        output = pattern.sub(name, output)
    return output.rstrip()
