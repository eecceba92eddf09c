"""pyrainer 0.26, installed unchanged from the package index: its users need not change anything.

Its command line runs as its own process. It asks the system who is logged in, which a container does not know, so a
`sitecustomize` answers in the system's place.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.client import Client
from tests.integration.clients import client_of_a_new_namespace
from tests.integration.mirroring import follow, wait_for_head
from tests.integration.pyrainer_process import Done, Pyrainer
from tests.services import secrets
from tests.services.rainer import RainerServer
from tests.services.required import required_services

pytestmark = pytest.mark.xdist_group("pyrainer")

_INSTALL_TIMEOUT_S = 300


@pytest.fixture(scope="session")
def pyrainer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds pyrainer and what it imports, and nothing of ours."""
    folder = tmp_path_factory.mktemp("pyrainer")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--target",
        str(folder),
    ]
    done = subprocess.run(
        [*install, "pyrainer==0.26", "termcolor", "pyyaml"],
        capture_output=True,
        text=True,
        timeout=_INSTALL_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        reason = f"pyrainer 0.26 cannot be installed here: {done.stderr.strip().splitlines()[-1:]}"
        # Who requires servers runs a machine that is meant to have everything, a package index included.
        if required_services():
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    (folder / "sitecustomize.py").write_text("import os\nos.getlogin = lambda: 'gian'\n")
    return folder


@pytest.fixture
def client(served: RainerServer) -> Iterator[Client]:
    """Ours, to prepare and to look; the namespace is the test's own, so that lists hold nothing else."""
    yield from client_of_a_new_namespace(served)


@pytest.fixture
def pyrainer(pyrainer_folder: Path, client: Client, tmp_path: Path) -> Pyrainer:
    return Pyrainer(pyrainer_folder, client.url, tmp_path)


def test_the_library_lists(pyrainer: Pyrainer, client: Client) -> None:
    assert pyrainer.answer("client.list()") == {}
    first = client.commit("a", "é\n".encode(), version=1, comment="why")
    client.commit("b", b"x", version=1)
    gone = client.commit("b", None, version=2)
    assert pyrainer.answer("client.list()") == {"a": first.meta()}
    assert pyrainer.answer("client.list(all=True)") == {"a": first.meta(), "b": gone.meta()}
    client.commit("c", b"\xff\x00", version=1)
    full = pyrainer.answer("{k: [c.key, c.version, c.author, c.comment, c.mtime, c.empty, list(c.value)]"
                           " for k, c in client.list_full().items()}")  # fmt: skip
    assert full["a"] == ["a", 1, "me", "why", first.meta()["mtime"], False, list("é\n".encode())]
    assert full["c"][-1] == [0xFF, 0]
    assert sorted(full) == ["a", "c"]


def test_the_library_gets(pyrainer: Pyrainer, client: Client) -> None:
    one = client.commit("hey", b"\xff1", version=1, comment="two\nlines")
    two = client.commit("hey", None, version=2)
    seen = "(lambda c: [c.meta, None if c.value is None else list(c.value)])"
    assert pyrainer.answer(f"{seen}(client.get_commit('hey', 1))") == [one.meta(), [0xFF, ord("1")]]
    assert pyrainer.answer(f"{seen}(client.get_commit('hey'))") == [two.meta(), None]
    assert pyrainer.answer("client.get_metadata('hey')") == two.meta()
    assert pyrainer.answer("list(client.get_value('hey', 1))") == [0xFF, ord("1")]
    assert pyrainer.answer("list(client.get_value('hey'))") == []


def test_the_library_posts(pyrainer: Pyrainer, client: Client) -> None:
    post = "client.post_commit({'key': 'hey', 'version': %d, 'author': %r, 'comment': %r%s}, %r)"
    answer = pyrainer.answer(post % (1, "gian", "rofl", "", "new välue 語"))
    commit = client.get("hey")
    assert answer == commit.meta()
    assert (commit.author, commit.comment, commit.payload) == ("gian", "rofl", "new välue 語".encode())
    assert pyrainer.answer(post % (2, "gian", "", ", 'empty': True", "")) == client.get("hey").meta()
    assert client.get("hey").is_empty
    assert pyrainer.answer(post % (3, "gian", "", ", 'empty': 'false'", ""))["empty"] is False
    assert client.get("hey").payload == b""


def test_latin1_authors_and_comments_are_understood(pyrainer: Pyrainer, client: Client) -> None:
    text = "Jürgen ÿ ©"
    made = {"key": "hey", "version": 1, "author": text, "comment": text}
    answer = pyrainer.answer(f"client.post_commit({made!r}, 'x')")
    assert (answer["author"], answer["comment"]) == (text, text)
    assert pyrainer.answer("client.get_metadata('hey')")["author"] == text
    assert (client.get("hey").author, client.get("hey").comment) == (text, text)


def test_what_its_headers_cannot_carry_is_refused_and_leaves_no_trace(pyrainer: Pyrainer, client: Client) -> None:
    for comment in ("two\nlines", "folded\n line", "語"):
        made = {"key": "hey", "version": 1, "author": "gian", "comment": comment}
        done = pyrainer.python(f"client.post_commit({made!r}, 'x')")
        assert done.code != 0
        assert re.search("Invalid header value|HTTP Error 400|can't encode", done.err)
    assert client.heads(include_empty=True) == {}


def test_a_conflict_is_a_409_whose_body_says_what_is_next(pyrainer: Pyrainer, client: Client) -> None:
    client.commit("hey", b"1", version=1)
    done = pyrainer.python(
        """
        import urllib.error
        try:
            client.post_commit({"key": "hey", "version": 1, "author": "gian", "comment": ""}, "mine")
        except urllib.error.HTTPError as e:
            with e:
                print(json.dumps([e.code, json.loads(e.read())]))
        """
    )
    conflict = {"conflict": {"key": "hey", "expectedVersion": 2, "providedVersion": 1}}
    assert json.loads(done.out) == [409, conflict]
    assert client.get("hey").payload == b"1"


def test_the_command_lists(pyrainer: Pyrainer, client: Client) -> None:
    client.commit("foo", b"1", version=1)
    client.commit("bar", b"1", version=1)
    client.commit("bar", None, version=2)
    done = pyrainer.command("list")
    assert (done.code, done.out.split()) == (0, ["1", "foo", f"{client.url}/foo/1"])
    done = pyrainer.command("list", "-A")
    assert [line.split()[:2] for line in done.out.splitlines()] == [["2", "bar"], ["1", "foo"]]


def test_the_command_shows(pyrainer: Pyrainer, client: Client) -> None:
    client.commit("hey", "één".encode(), version=1)
    client.commit("hey", b"two", version=2)
    assert pyrainer.command("show", "hey") == Done(0, "two\n", "")
    assert pyrainer.command("show", "hey", "1") == Done(0, "één\n", "")
    done = pyrainer.command("show", "nobody")
    assert done.code == 1
    assert "HTTP Error 404" in done.out
    assert "Key not found" in done.out


def test_the_command_logs_newest_first_with_differences(pyrainer: Pyrainer, client: Client) -> None:
    client.commit("hey", b"a\nb", version=1, comment="first")
    client.commit("hey", b"a\nc", version=2, comment="two\nlines", author="you")
    client.commit("hey", None, version=3)
    done = pyrainer.command("log", "hey")
    assert done.code == 0, done
    assert re.findall(r"^Commit (\d+)$", done.out, re.MULTILINE) == ["3", "2", "1"]
    assert re.findall(r"^Author: (\w+)$", done.out, re.MULTILINE) == ["me", "you", "me"]
    dates = [commit.meta()["mtime"] for commit in client.log("hey")]
    assert re.findall(r"^Date:   (\S+)$", done.out, re.MULTILINE) == dates
    assert "  two\n  lines\n" in done.out
    assert "--- hey 1\n" in done.out
    assert "-b\n+c\n" in done.out
    assert "Commit 3" not in pyrainer.command("log", "hey", "2").out


def test_the_command_prepares_and_commits_what_was_prepared(pyrainer: Pyrainer, client: Client) -> None:
    client.commit("hey", b"old", version=1)
    prepared = pyrainer.command("prepare", "hey")
    assert prepared.code == 0
    for part in ("author: gian", "version: 2", "---", "old"):
        assert part in prepared.out
    form = "author: gian\ncomment: by hand\nversion: 2\n\n---\nnew\nlines"
    done = pyrainer.command("commit", "hey", stdin=form)
    assert done.code == 0, done
    commit = client.get("hey")
    assert (commit.version, commit.author, commit.comment, commit.payload) == (2, "gian", "by hand", b"new\nlines")


def test_the_command_commits_a_value(pyrainer: Pyrainer, client: Client) -> None:
    assert pyrainer.command("commit-value", "hey", "-m", "first", stdin="välue").code == 0
    assert pyrainer.command("commit-value", "hey", "2", "-m", "second", stdin="two").code == 0
    assert [(c.author, c.comment, c.payload) for c in client.log("hey")] == [
        ("gian", "second", b"two"),
        ("gian", "first", "välue".encode()),
    ]
    done = pyrainer.command("commit-value", "hey", "2", "-m", "stale", stdin="x")
    assert done.code == 1
    assert "HTTP Error 409" in done.out
    assert '{"conflict":{"key":"hey","expectedVersion":3,"providedVersion":2}}' in done.out


def test_the_command_edits(pyrainer: Pyrainer, client: Client) -> None:
    client.commit("hey", b'{"price": 1}\n', version=1)
    change = "path.write_text(text.replace('1}', '2}').replace(\"comment: ''\", 'comment: dearer'))\n"
    done = pyrainer.command("edit", "hey", stdin="maybe\nyes\n", editor=change)
    assert done.code == 0, done
    assert '+{"price": 2}' in done.out
    assert "Please type 'yes' or 'no'" in done.out
    commit = client.get("hey")
    assert (commit.version, commit.author, commit.comment, commit.payload) == (2, "gian", "dearer", b'{"price": 2}\n')


def test_the_command_edits_a_key_that_is_new(pyrainer: Pyrainer, client: Client) -> None:
    done = pyrainer.command("edit", "new", stdin="yes\n", editor="path.write_text(text + 'born\\n')\n")
    assert done.code == 0, done
    assert [(c.version, c.author, c.payload) for c in client.log("new")] == [(1, "gian", b"born\n")]


def test_the_command_edits_a_removed_key_back(pyrainer: Pyrainer, client: Client) -> None:
    client.commit("hey", b"1", version=1)
    client.commit("hey", None, version=2)
    assert pyrainer.command("edit", "hey", stdin="yes\n", editor="path.write_text(text + 'back')\n").code == 0
    assert (client.get("hey").version, client.get("hey").payload) == (3, b"back")


def test_an_edit_that_is_declined_or_refused_saves_the_work(pyrainer: Pyrainer, client: Client) -> None:
    client.commit("hey", b"1", version=1)
    change = "path.write_text(text + ' my work')\n"
    declined = pyrainer.command("edit", "hey", stdin="no\n", editor=change)
    assert "OK, not commiting." in declined.out
    assert "my work" in pyrainer.saved_work(declined)
    client.commit("hey", b"2", version=2)
    stale = pyrainer.command("edit", "hey", "1", stdin="yes\n", editor=change)
    assert stale.code == 1
    assert "HTTP Error 409" in stale.out
    assert '"expectedVersion":3,"providedVersion":2' in stale.out
    assert "my work" in pyrainer.saved_work(stale)
    assert [commit.payload for commit in client.log("hey")] == [b"2", b"1"]


def test_an_edit_that_the_namespaces_format_refuses_says_why(
    pyrainer: Pyrainer, client: Client, pyrainer_folder: Path
) -> None:
    name = f"{client.namespace_name}-json"
    client.create_namespace(name, format="json")
    strict = client.in_namespace(name)
    strict.commit("hey", b"{}", version=1)
    done = Pyrainer(pyrainer_folder, strict.url, pyrainer.scratch).command(
        "edit", "hey", stdin="yes\n", editor="path.write_text(text + ',')\n"
    )
    assert done.code == 1
    assert "HTTP Error 400" in done.out
    assert "Malformed input: " in done.out
    assert len(strict.log("hey")) == 1


def test_the_command_uncommits(pyrainer: Pyrainer, client: Client) -> None:
    client.commit("hey", b"1", version=1)
    done = pyrainer.command("uncommit", "hey", stdin="yes\n")
    assert done.code == 0, done
    head = client.get("hey")
    assert (head.version, head.is_empty, head.author) == (2, True, "gian")
    assert pyrainer.command("list").out == ""
    assert pyrainer.command("show", "hey") == Done(0, "", "")


def test_it_is_the_original(pyrainer: Pyrainer) -> None:
    # What is tested must be what the index holds: the wheel's record still matches its files.
    done = pyrainer.python(
        """
        import base64, hashlib, importlib.metadata
        found = importlib.metadata.distribution("pyrainer")
        for file in found.files:
            if file.hash and not str(file).startswith(".."):
                digest = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()
                assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value, file
        print(found.version, sum(1 for file in found.files if file.hash))
        """
    )
    assert done.err == ""
    version, files = done.out.split()
    assert version == "0.26"
    assert int(files) >= 6


def test_it_works_unchanged_with_a_token_in_its_base_url(pyrainer_folder: Path, tmp_path: Path) -> None:
    secret = secrets.new_secret()
    policy = b"grants: [{who: [gian], may: [read, write], on: ['diary/*']}]"
    server = RainerServer(arguments=("--identity", "--token-path"), environment={"RAINER_BOOTSTRAP_TOKEN": secret})
    with server, Client(f"{server.url}/diary", token=secret) as root:
        root.create_namespace("rainer", format="yaml")
        root.in_namespace("rainer").commit("policy", policy, version=1)
        token = root.create_token("gian")["token"]
        pyrainer = Pyrainer(pyrainer_folder, f"{server.url}/-/t/{token}/diary", tmp_path)
        made = {"key": "hey", "version": 1, "author": "gian", "comment": "as ever"}
        assert pyrainer.answer(f"client.post_commit({made!r}, 'x')")["author"] == "gian"
        assert pyrainer.answer("list(client.get_value('hey'))") == [ord("x")]
        assert list(pyrainer.answer("client.list()")) == ["hey"]
        assert pyrainer.command("edit", "hey", stdin="yes\n", editor="path.write_text(text + 'y')\n").code == 0
        assert (root.get("hey").payload, root.get("hey").author) == (b"xy", "gian")
        assert "Author: gian" in pyrainer.command("log", "hey").out
        other = pyrainer.python(f"client.post_commit({made | {'version': 3, 'author': 'ada'}!r}, 'x')")
        assert "HTTP Error 403" in other.err
        stranger = Pyrainer(pyrainer_folder, f"{server.url}/-/t/{token}x/diary", tmp_path)
        assert "HTTP Error 401" in stranger.command("list").out
        assert "HTTP Error 403" in Pyrainer(pyrainer_folder, f"{server.url}/diary", tmp_path).command("list").out
        server.stop()
        assert secrets.tokens_in(server.output) == []


def test_the_library_reads_a_mirror_server(pyrainer_folder: Path, served: RainerServer, tmp_path: Path) -> None:
    with Client(f"{served.url}/diary", author="me") as client, follow(served) as mirror:
        first = client.commit("mirrored", b"\xff\x00", version=1, comment="why")
        wait_for_head(mirror, "mirrored", 1)
        pyrainer = Pyrainer(pyrainer_folder, f"{mirror.url}/diary", tmp_path)
        assert pyrainer.answer("client.list()['mirrored']") == first.meta()
        assert pyrainer.answer("list(client.list_full()['mirrored'].value)") == [255, 0]
        assert pyrainer.answer("list(client.get_value('mirrored'))") == [255, 0]
        assert pyrainer.answer("client.get_commit('mirrored').version") == 1
        refused = pyrainer.python("client.post_commit({'key': 'k', 'version': 1, 'author': 'me', 'comment': ''}, b'')")
        assert refused.code != 0
        mirror.stop()
