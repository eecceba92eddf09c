"""Payloads cut into lines of coloured pieces, and pieces of them into Markup that cannot hurt: no line is too long.

Pygments does the cutting, on the server, and only of what is small and has no endless lines: its expressions are not
made for what means harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from rainer.api.pages.showing import visible

COLOUR_BYTES_MAX: Final = 200_000
"""Longer texts are shown without colours."""
_LINE_CHARS_MAX: Final = 2_000
FOLD_CHARS: Final = 600
"""So much of a line is shown at once; the rest of it is folded."""
_CHUNK: Final = 4_000
_FOLDED_MAX: Final = 65_536
_CLASSES: Final = (
    ("Name.Tag", "k"), ("Keyword.Constant", "c"), ("Keyword", "c"), ("Literal.Number", "n"), ("Literal.String", "s"),
    ("Literal.Date", "n"), ("Comment", "m"), ("Name", "k"), ("Punctuation", "p"), ("Operator", "p"),
)  # fmt: skip


class Piece(NamedTuple):
    """Some characters of a line, and what they are: k name, s text, n number, c constant, m comment, p punctuation."""

    kind: str
    text: str


Line = Sequence[Piece]


def language_of(key: str, namespace_format: str, text: str) -> str:
    """What a payload is written in, by its namespace, its key, or how it begins; empty for plain text."""
    if namespace_format in ("json", "yaml", "toml"):
        return namespace_format
    ending = key.rpartition(".")[2].lower()
    known = {"json": "json", "yaml": "yaml", "yml": "yaml", "toml": "toml"}
    if ending in known:
        return known[ending]
    begin = text.lstrip()[:1]
    return "json" if begin and begin in "{[" and text.rstrip()[-1:] in "}]" else ""


def lines_of(text: str, language: str) -> list[Line]:
    """The lines of a text, without their ends, coloured where that is safe."""
    plain = split_lines(text)
    if not language or len(text) > COLOUR_BYTES_MAX or any(len(line) > _LINE_CHARS_MAX for line in plain):
        return [[Piece("", line)] for line in plain]
    coloured = list(_coloured(text, language))
    # A lexer that lost a character must not make us show another text than there is.
    if ["".join(piece.text for piece in line) for line in coloured] != plain:
        return [[Piece("", line)] for line in plain]
    return coloured


def split_lines(text: str) -> list[str]:
    """The lines of a text without their ends; a text that ends with one has no empty line after it."""
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines


def _coloured(text: str, language: str) -> Iterator[Line]:
    from pygments.lexers import get_lexer_by_name

    lexer = get_lexer_by_name(language, stripnl=False, stripall=False, ensurenl=False)
    line: list[Piece] = []
    is_begun = False
    for _, token, value in lexer.get_tokens_unprocessed(text):
        kind = _class_of(str(token))
        for place, part in enumerate(value.split("\n")):
            if place:
                yield line
                line, is_begun = [], False
            if part:
                line.append(Piece(kind, part))
                is_begun = True
    if is_begun:
        yield line


def _class_of(token: str) -> str:
    name = token.removeprefix("Token.")
    return next((short for begin, short in _CLASSES if name.startswith(begin)), "")


def cut(line: Line, marks: Sequence[tuple[int, int]]) -> Iterator[tuple[Piece, bool]]:
    """The pieces of a line cut at the borders of marks (from, to), each with whether it stands inside of one."""
    at = 0
    borders = sorted({border for mark in marks for border in mark})
    for piece in line:
        start, end = at, at + len(piece.text)
        inner = [border for border in borders if start < border < end]
        for left, right in zip([start, *inner], [*inner, end], strict=True):
            is_marked = any(low <= left < high for low, high in marks)
            yield Piece(piece.kind, piece.text[left - start : right - start]), is_marked
        at = end


def piece_markup(piece: Piece) -> Markup:
    """A piece as Markup."""
    text = visible(piece.text)
    return Markup('<span class="t-{}">{}</span>').format(piece.kind, text) if piece.kind else text


def line_markup(line: Line, marks: Sequence[tuple[int, int]] = (), mark: str = "") -> Markup:
    """A line as Markup: coloured, with marks in the element `mark`; of one that is very long the rest is folded."""
    length = sum(len(piece.text) for piece in line)
    if length > FOLD_CHARS + 100:
        return _folded("".join(piece.text for piece in line), marks, mark)
    parts = []
    for piece, is_marked in cut(line, marks):
        inner = piece_markup(piece)
        parts.append(Markup("<{0}>{1}</{0}>").format(mark, inner) if is_marked and mark else inner)
    return Markup("").join(parts)


def _folded(text: str, marks: Sequence[tuple[int, int]], mark: str) -> Markup:
    """The beginning of a long line, or what was marked in it with a little around, and the rest below a fold."""
    start = max(0, marks[0][0] - 80) if marks else 0
    end = min(len(text), start + FOLD_CHARS)
    shown = [Piece("", text[start:end])]
    inside = [(max(0, low - start), min(end, high) - start) for low, high in marks if low < end and high > start]
    head = line_markup(shown, inside, mark)
    before = _fold(text[:start]) if start else Markup("")
    return Markup("").join([before, head, _fold(text[end:]) if end < len(text) else Markup("")])


def _fold(text: str) -> Markup:
    """What stands below a fold: some of it, and of the rest how much it is."""
    chunks = (text[at : at + _CHUNK] for at in range(0, min(len(text), _FOLDED_MAX), _CHUNK))
    inner = Markup("").join(Markup("<span>{}</span>").format(visible(chunk)) for chunk in chunks)
    rest = len(text) - _FOLDED_MAX
    more = Markup(" <em>and {:,} more, which the download has</em>").format(rest) if rest > 0 else ""
    return Markup('<details class="fold"><summary>{:,} more characters</summary>{}{}</details>').format(
        len(text), inner, more
    )
