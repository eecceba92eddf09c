"""Configuration files that real tools read: committed through the command line, read back byte for byte.

The whole collection is used where it lies beside the checkout, else the part in tests/data; a test's name tells which.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
import yaml

from tests.command_line import CommandLine, clean_environment
from tests.services.rainer import RainerServer

pytestmark = pytest.mark.xdist_group("corpus")

TOP = Path(__file__).resolve().parents[2]
WHOLE, PART = TOP.parent / "shared" / "corpus", TOP / "tests" / "data" / "corpus"
FOLDER = WHOLE if WHOLE.is_dir() else PART
FORMATS = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}
COMMENT_MARKS = {"json": b"//"}
NOT_FOUND, INVALID = 4, 5


@dataclass(frozen=True)
class Document:
    """A file of the collection; the key is its path, with what a key may not have replaced."""

    path: Path
    found: bytes

    @property
    def key(self) -> str:
        return self.path.relative_to(FOLDER).as_posix().replace("/", "__")

    @property
    def format(self) -> str:
        return FORMATS.get(self.path.suffix, "any")

    @property
    def commented(self) -> bytes:
        """As people write it: with a comment that the tool's own parser would skip, and not in ASCII alone."""
        return COMMENT_MARKS.get(self.format, b"#") + " geändert, prüfen → ops\n".encode() + self.found

    @property
    def foreign(self) -> bytes:
        """As another system's editor saves it: byte order mark, CRLF, blanks and tabs at the end, no last newline."""
        return b"\xef\xbb\xbf" + self.found.rstrip().replace(b"\n", b"\r\n") + b" \t"

    @property
    def utf_16(self) -> bytes:
        """No UTF-8 at all, and full of zero bytes."""
        return self.found.decode().encode("utf-16")

    @property
    def versions(self) -> tuple[bytes, ...]:
        """What is committed, version by version; at the end somebody takes it all back."""
        return self.found, self.commented, self.foreign, self.utf_16, self.found


DOCUMENTS = [Document(path, path.read_bytes()) for path in sorted(FOLDER.rglob("*")) if path.is_file()]
BY_FORMAT = {name: [document for document in DOCUMENTS if document.format == name] for name in ("json", "yaml", "toml")}
NAMES = [f"{len(DOCUMENTS)} files of {'../shared/corpus' if FOLDER == WHOLE else 'tests/data/corpus'}"]


@pytest.fixture(scope="module", params=NAMES)
def rainer(served: RainerServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The command line, talking to a namespace that takes anything."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        url = f"{served.url}/corpus"
        rainer = CommandLine(monkeypatch, tmp_path_factory.mktemp("corpus"), url)
        rainer.ok("namespace", "create", "corpus")
        for name in BY_FORMAT:
            rainer.ok("namespace", "create", name, "--format", name)
        yield rainer


@pytest.fixture(scope="module")
def revisions(rainer: CommandLine) -> list[int]:
    """Every version of every document is committed, version after version; where the journal stood after each."""
    found = []
    for number in range(len(DOCUMENTS[0].versions)):
        for document in DOCUMENTS:
            payload = document.versions[number]
            done = rainer.ok("commit", document.key, "-m", f"Round {number + 1}", "--json", stdin=payload)
            assert done.json["version"] == number + 1
        found.append(done.json["revision"])
    return found


def test_the_part_in_tests_is_as_found() -> None:
    """What a stranger's machine tests with is the collection's own, not something that Git or an editor has touched."""
    part = [path for path in PART.rglob("*") if path.suffix in FORMATS]
    assert {FORMATS[path.suffix] for path in part} == set(BY_FORMAT)
    assert any(not path.read_bytes().isascii() for path in part)
    assert sum(path.stat().st_size for path in part) < 300_000
    if FOLDER == WHOLE:
        different = [path for path in part if path.read_bytes() != (WHOLE / path.relative_to(PART)).read_bytes()]
        assert different == []


@pytest.mark.usefixtures("revisions")
def test_each_version_of_each_file_is_shown_as_it_was_committed(rainer: CommandLine) -> None:
    wrong = [
        (document.key, number)
        for document in DOCUMENTS
        for number, payload in enumerate(document.versions, 1)
        if rainer.ok("show", document.key, str(number)).out != payload
    ]
    assert wrong == []


def test_the_files_of_each_moment_are_checked_out(rainer: CommandLine, revisions: list[int]) -> None:
    """Into one folder, back and forth in time: each checkout replaces what the one before it wrote."""
    folder = rainer.folder / "checked-out"
    for number in (0, 1, 2, 3, 4, 1, 3):
        rainer.ok("checkout", str(folder), "--at", str(revisions[number]))
        written = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".rainer-checkout.json"}
        assert written == {document.key: document.versions[number] for document in DOCUMENTS}


@pytest.mark.usefixtures("revisions")
def test_the_history_of_a_file_is_listed(rainer: CommandLine) -> None:
    for document in DOCUMENTS[::10]:
        history = rainer.ok("log", document.key, "--json").json
        assert [(commit["version"], commit["comment"]) for commit in history] == [
            (number, f"Round {number}") for number in range(len(document.versions), 0, -1)
        ]


def test_processes_commit_and_show_them(served: RainerServer, tmp_path: Path) -> None:
    """A sample as users do it: a file by its name, a file by a pipe, the payload into a file."""
    environment = os.environ | clean_environment(tmp_path, f"{served.url}/diary") | {"PYTHONPATH": str(TOP)}

    def run(*words: str, stdin: bytes = b"") -> bytes:
        command = [sys.executable, "-m", "rainer.cli.main", *words]
        return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, env=environment, check=True).stdout

    for document in [next(d for d in BY_FORMAT[name] if not d.found.isascii()) for name in BY_FORMAT]:
        run("commit", document.key, str(document.path), "-m", "As found")
        run("commit", document.key, "-", "-m", "As another system saves it", stdin=document.foreign)
        assert run("show", document.key, "1") == document.found
        assert run("show", document.key) == document.foreign


# The formats, each judged by a parser that is not the one behind our check, where there is another.


def _parse_yaml(payload: bytes) -> None:
    for _ in yaml.compose_all(payload.decode(), Loader=yaml.SafeLoader):  # pure Python; ours is libyaml where it can be
        pass


PARSERS: dict[str, tuple[Callable[[bytes], object], type[Exception]]] = {
    "json": (orjson.loads, orjson.JSONDecodeError),
    "yaml": (_parse_yaml, yaml.YAMLError),
    "toml": (lambda payload: tomllib.loads(payload.decode()), tomllib.TOMLDecodeError),
}


def _parses(format_name: str, payload: bytes) -> bool:
    parse, error = PARSERS[format_name]
    try:
        parse(payload)
    except error:
        return False
    return True


def _in(namespace: str) -> tuple[str, str]:
    """The flag that turns a run from the fixture's namespace to another of the same server."""
    return "--url", os.environ["RAINER_URL"].replace("/corpus", f"/{namespace}")


def _commit(rainer: CommandLine, namespace: str, key: str, payload: bytes) -> tuple[int, str]:
    done = rainer(*_in(namespace), "commit", key, "-m", "Try it", stdin=payload)
    return done.code, done.err


@pytest.mark.parametrize("name", BY_FORMAT)
def test_a_format_accepts_what_real_files_hold(rainer: CommandLine, name: str) -> None:
    for document in BY_FORMAT[name]:
        assert _parses(name, document.found), f"{document.key} is no {name} to anybody; the collection changed"
        for payload in (document.found, document.foreign):
            code, words = _commit(rainer, name, document.key, payload)
            assert code == 0, words


@pytest.mark.parametrize("name", BY_FORMAT)
def test_a_format_judges_broken_files_as_other_parsers_do(rainer: CommandLine, name: str) -> None:
    """Each file is cut off in its middle, which leaves some that are whole documents still."""
    verdicts = set()
    for document in BY_FORMAT[name]:
        half = document.found.decode()[: len(document.found) // 2].encode()
        code, words = _commit(rainer, name, f"half-of-{document.key}", half)
        assert code == (0 if _parses(name, half) else INVALID), (document.key, words)
        verdicts.add(code)
    assert INVALID in verdicts


def _with_comment_in_the_middle(text: str) -> tuple[str, int, int]:
    """The text with a comment on a line of its own (any line's end is between two tokens of JSON), and its place."""
    lines = text.splitlines(keepends=True)
    middle = len(lines) // 2
    lines.insert(middle, "   // agreed with ops\n")
    return "".join(lines), middle + 1, 4


def _with_comment_at_the_end(text: str) -> tuple[str, int, int]:
    body = text.rstrip()
    return body + " /* agreed with ops */\n", body.count("\n") + 1, len(body.split("\n")[-1]) + 2


@pytest.mark.parametrize("add_comment", [_with_comment_in_the_middle, _with_comment_at_the_end])
def test_comments_are_refused_in_json_at_their_place_and_kept_elsewhere(
    rainer: CommandLine, add_comment: Callable[[str], tuple[str, int, int]]
) -> None:
    for document in BY_FORMAT["json"]:
        text, line, column = add_comment(document.found.decode())
        key = f"{add_comment.__name__}-{document.path.parent.parent.name}-{document.path.name}"[-200:]
        code, words = _commit(rainer, "json", key, text.encode())
        assert (code, re.findall(r"at line (\d+), column (\d+)", words)) == (INVALID, [(str(line), str(column))]), words
        code, words = _commit(rainer, "diary", key, text.encode())
        assert code == 0, words
        assert rainer.ok(*_in("diary"), "show", key).out == text.encode()


def test_a_refused_file_leaves_no_trace(rainer: CommandLine) -> None:
    code, _ = _commit(rainer, "json", "with-a-comment", b'{\n  // why\n  "a": 1\n}\n')
    assert code == INVALID
    assert rainer(*_in("json"), "log", "with-a-comment").code == NOT_FOUND
    assert rainer.ok(*_in("json"), "list", "-A", "with-a-comment").text == ""
