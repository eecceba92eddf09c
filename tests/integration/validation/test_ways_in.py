"""An invalid document is refused on every way in, with its place, and no mirror ever sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from rainer.client import Client
from rainer.errors import RuleBroken
from rainer.journal import Journal
from rainer.model.commit import Commit
from rainer.model.marks import Marks
from rainer.testing import TestServer
from tests.command_line import CommandLine, editor_script
from tests.integration.ancestor_rows import TABLE, make_table, row
from tests.integration.validation.conftest import BAD, GOOD
from tests.services.waiting import wait_until


def test_no_way_in_takes_what_breaks_a_rule_and_no_mirror_sees_it(
    client: Client, served: TestServer, rainer: CommandLine
) -> None:
    bad_file = rainer.folder / "bad.json"
    bad_file.write_bytes(BAD)
    with served.mirror() as mirror:
        seen: list[bytes | None] = []
        mirror.on_change(lambda _key, _old, new: seen.append(None if new is None else new.payload))
        client.commit("app.json", GOOD, version=1)

        url = f"{served.url}/diary/app.json/2"
        answer = requests.post(url, BAD, headers={"X-Rainer-Author": "old"}, timeout=20)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        problem = answer.json()
        assert problem["code"] == "rule-broken"
        assert problem["rule"] == "schema app on diary/app.*"
        assert (problem["pointer"], problem["line"], problem["column"]) == ("/port", 2, 11)

        with pytest.raises(RuleBroken, match=r"'no' is not of type 'integer' \(/port, line 2, column 11\)"):
            client.commit("app.json", BAD, version=2)
        with pytest.raises(RuleBroken, match=r"^commits\[1\]: ") as caught:
            client.commit_many([{"key": k, "payload": BAD, "version": 1} for k in ("free", "app.x.json")])
        assert caught.value.details["pointer"] == "/port"

        for command in (("commit", "app.json", str(bad_file), "-m", "x"), ("commit-value", "app.json", "2", "-m", "x")):
            refused = rainer(*command, "--json", stdin=BAD)
            assert (refused.code, refused.error["pointer"], refused.error["line"]) == (5, "/port", 2)
        prepared = b"version: 2\nauthor: me\n---\n" + BAD
        assert rainer("commit-prepared", "app.json", stdin=prepared).code == 5

        # An editor that is never content: --yes ends it.
        edited = rainer("edit", "app.json", "-y", "-m", "x", editor=editor_script(rainer.folder, f"text = {BAD!r}"))
        assert edited.code == 5
        assert "(/port, line 2, column 11)" in edited.err

        original = f"sqlite:///{rainer.folder / 'original.db'}"
        make_table(original, [row("app.import", 1, b'{"port": 5}'), row("app.import", 2, BAD), row("free", 1, BAD)])
        imported = import_into(served.journal, original, rainer.folder)
        assert imported == {("app.import", 1), ("free", 1)}

        client.commit("app.old", BAD, version=1, force=True, comment="as it was")
        client.commit("app.old", GOOD, version=2)
        reverted = rainer("revert", "app.old", "-y", "--json")
        assert (reverted.code, reverted.error["rule"]) == (5, "schema app on diary/app.*")
        client.commit("last", b"1", version=1)
        mirror.wait_for("last", 1, timeout_s=20)
        wait_until(lambda: b"1" in seen, 20, "every change told")
        assert seen == [GOOD, BAD, GOOD, b"1"], "BAD once: forced"
    assert {c.key: c.version for c in client.heads().values()} == {"app.json": 1, "app.old": 2, "last": 1}


def import_into(journal: Journal, original: str, folder: Path) -> set[tuple[str, int]]:
    """What an import by the command line leaves in a journal that holds the same rules as this one."""
    url = f"sqlite:///{folder / 'imported.db'}"
    with Journal(url) as other:
        other.create_namespace("rainer", format="yaml")
        for commit in journal.heads("rainer"):
            other.append(commit.key, commit.payload, version=1, author="a", namespace="rainer")
    line = CommandLine(pytest.MonkeyPatch(), folder)
    refused = line("import-rainer", original, TABLE, "--database", url)
    assert refused.code == 5
    assert "breaks the rule 'schema app on diary/app.*'" in refused.err
    assert "(/port, line 2, column 11)" in refused.err
    with Journal(url) as other:
        found = {(c.key, c.version) for c in other.changes().commits if c.namespace == "diary"}
        rest = line("import-rainer", original, TABLE, "--database", url, "--force")
        assert rest.code == 0, rest
        assert other.get("app.import").marks == Marks(forced=True)
        assert other.verify().ok
    return found


@pytest.mark.parametrize(
    ("key", "payload", "pointer", "line"),
    [
        ("app.yaml", b"port: 1\nname:\n  Not so\n", "/name", 3),
        ("app.toml", b"port = 1\n# x\nextra = 2\n", "/extra", 3),
        ("app.json", b'{"name": "a"}', "", 1),
        ("app.yaml", b"- 1\n", "", 1),
        ("app.", b"just text", "", 1),
        ("app.json", b'{\n"port" 1}', None, 2),
        ("app.toml", b"port = \n", None, 1),
        ("app.bin", b"\xff", None, 1),
    ],
)
def test_the_place_is_told_whatever_the_form(
    client: Client, key: str, payload: bytes, pointer: str | None, line: int
) -> None:
    with pytest.raises(RuleBroken) as caught:
        client.commit(key, payload, version=1)
    assert (caught.value.details.get("pointer"), caught.value.line) == (pointer, line)


def test_a_removal_and_other_keys_are_not_the_schemas_affair(client: Client) -> None:
    client.commit("app.x", GOOD, version=1)
    client.commit("app.x", None, version=2)
    client.commit("other", b"\xff", version=1)


def test_sizes_may_not_jump_and_nothing_may_vanish(client: Client) -> None:
    client.commit("sized", b"x" * 100, version=1)
    for payload, words in ((b"x" * 1_001, "more than 10 times"), (b"x" * 9, "more than 10 times"), (None, "removed")):
        with pytest.raises(RuleBroken, match=words) as caught:
            client.commit("sized", payload, version=2)
        assert caught.value.details["rule"] == "size_change_max 10x on diary/sized*"
    drafts = [{"key": "sized", "payload": b"x" * size, "version": v} for v, size in ((2, 1_000), (3, 10_000))]
    client.commit_many(drafts)
    with pytest.raises(RuleBroken, match=r"^commits\[1\]"):
        client.commit_many([{"key": "sized.new", "payload": b"x" * n, "version": v} for v, n in ((1, 1), (2, 11))])


def test_editors_begin_at_the_line_that_is_meant(client: Client, rainer: CommandLine) -> None:
    client.commit("app.json", GOOD, version=1)
    script = (
        'if turn == 1:\n    text = b\'{\\n"port": "no"}\'\n'
        "else:\n"
        "    assert sys.argv[1] == '+5', sys.argv\n"
        "    assert b'is not of type' in text.splitlines()[0]\n"
        '    assert b\'"port": "no"\' in text.splitlines()[4]\n'
        "    text = text.replace(b'\"no\"', b'2')\n"
    )
    editor = as_vim(rainer.folder, editor_script(rainer.folder, script))
    rainer.ok("edit", "app.json", "-y", "-m", "x", editor=editor)
    found: Commit = client.get("app.json")
    assert json.loads(found.payload or b"") == {"port": 2}


def as_vim(folder: Path, command: str) -> str:
    """The same editor under a name that is known to take +LINE."""
    path = folder / "vim"
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o700)
    return str(path)
