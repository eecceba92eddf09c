"""The parts of `rainer asset`: sizes and spans in words, columns, lists to prefetch, what moved in a manifest."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from rainer.cli.asset_lines import count_words, near_hint, print_rows, size_words
from rainer.cli.asset_lists import parse_list
from rainer.cli.asset_moments import cells, moved_between, record
from rainer.cli.durations import read_span_s, span_words
from rainer.cli.terminal import Output
from rainer.errors import InvalidError
from rainer.model.manifest import Entry

A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, ""), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (102_400, "100 KiB"),
        (1024 * 1000, "1.0 MiB"), (1024**2 - 1, "1.0 MiB"), (5 * 1024**3, "5.0 GiB"), (3 * 1024**5, "3072 TiB"),
    ],
)  # fmt: skip
def test_sizes(size: int | None, words: str) -> None:
    assert size_words(size) == words


def test_counts() -> None:
    assert [count_words(n, "file") for n in (0, 1, 2000)] == ["0 files", "1 file", "2,000 files"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1.5h", 5400), ("7d", 604_800), ("2 W", 1_209_600)]
)
def test_spans(text: str, seconds: float) -> None:
    assert read_span_s(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "-1d", "1y", "1 2", "9" * 30, "1e9"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(InvalidError, match="is not a span of time"):
        read_span_s(text)


def test_spans_in_words() -> None:
    assert [span_words(s) for s in (0.2, 1, 61, 7200, 86_400 * 3)] == [
        "0 seconds", "1 second", "1 minute", "2 hours", "3 days",
    ]  # fmt: skip


def shown(rows: list[list[tuple[str, str]]], *, terminal: bool, right: tuple[int, ...] = ()) -> list[str]:
    stream = io.StringIO()
    print_rows(Output(stream, terminal=terminal), rows, right)
    return stream.getvalue().splitlines()


def test_rows_are_aligned_on_a_terminal_and_tabbed_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    rows = [[("/a", ""), ("1 B", ""), ("x", "")], [("/längst日", ""), ("10 B", ""), ("", "")]]
    assert shown(rows, terminal=True, right=(1,)) == ["/a          1 B  x", "/längst日  10 B"]
    assert shown(rows, terminal=False) == ["/a\t1 B\tx", "/längst日\t10 B\t"]
    assert shown([], terminal=True) == []


def test_a_terminal_is_not_steered_by_what_others_wrote() -> None:
    assert shown([[("\x1b[2J", "")]], terminal=True) == ["\\x1b[2J"]


# Lists


def test_lists_of_baiji_and_of_the_missing() -> None:
    found = parse_list(b"- s3://b/foo/bar.csv\n- /foo/bar.csv\n- 's3://b/foo/bar.csv'\n- models/*\n", "list")
    assert (found.uris, found.paths) == (("s3://b/foo/bar.csv",), ("/foo/bar.csv", "models/*"))
    assert parse_list(b"# nothing\n", "list").uris == ()
    assert parse_list(b"[s3://b/x, /y]", "list").paths == ("/y",)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"a: b", "is YAML, and no list"), (b"- a\n- [b", "is not YAML at line"), (b"- 1", "number 1 of the"),
        (b"- ''", "number 1"), (b"\xff\xfe", "is not text"), (b"- !!python/object:os.system x", "is not YAML"),
        (b"[" * 5000, "is not YAML"),
    ],
)  # fmt: skip
def test_what_is_no_list(data: bytes, why: str) -> None:
    with pytest.raises(InvalidError, match=why) as caught:
        parse_list(data, "list.yaml")
    assert "s3://bucket/file" in (caught.value.hint or "")


# What moved

OLD = {"/same": Entry("1.0.0", A, 1), "/up": Entry("1.0.0", A, 1), "/gone": Entry("1.0.0"), "/told": Entry("1.0.0")}
NEW = {
    "/same": Entry("1.0.0", A, 1), "/up": Entry("1.1.0", B, 2000), "/new": Entry("1.0.0"),
    "/told": Entry("1.0.0", A, 1),
}  # fmt: skip


def test_what_moved() -> None:
    found = moved_between(OLD, NEW)
    assert [(one.path, one.change) for one in found] == [("/gone", "removed"), ("/new", "added"), ("/up", "changed")]
    assert moved_between(OLD, OLD) == []
    assert moved_between({"/x": Entry("1.0.0", A, 1)}, {"/x": Entry("1.0.0", B, 1)})[0].change == "changed"
    override = {"/x": Entry("1.0.0", A, 1, override="/tmp/x")}
    assert [text for text, _ in cells(moved_between({}, override)[0], for_people=False)] == [
        "added", "/x", "", "/tmp/x", "1",
    ]  # fmt: skip


def test_moves_as_cells_and_records() -> None:
    up = moved_between(OLD, NEW)[2]
    assert [text for text, _ in cells(up, for_people=True)] == ["~", "/up", "1.0.0", "→", "1.1.0", "1 B → 2.0 KiB"]
    assert [text for text, _ in cells(up, for_people=False)] == ["changed", "/up", "1.0.0", "1.1.0", "2000"]
    assert record(up)["new"] == {"version": "1.1.0", "sha256": B, "size": 2000, "override": None}
    assert record(moved_between({}, NEW)[0])["old"] is None


def test_near_matches() -> None:
    known = ["/foo/bar.csv", "/models/speech.onnx", "/x"]
    assert near_hint(known, "/other/bar.csv") == "did you mean /foo/bar.csv?"
    assert near_hint(known, "/models/speach.onnx") == "did you mean /models/speech.onnx?"
    assert near_hint(known, "/nothing/like/it") is None


def test_a_list_that_cannot_be_read(tmp_path: Path) -> None:
    from rainer.cli.asset_lists import read_bytes

    with pytest.raises(InvalidError, match="cannot be read: No such file"):
        read_bytes(tmp_path / "none")
