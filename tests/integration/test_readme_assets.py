"""README's chapter on assets is true: its commands on S3, its settings, and the calls in its tables for newcomers.

What it shows of the server's own store is run by the tour, in test_readme.py.
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import rainer
from rainer import errors, settings, store
from rainer.assets import AssetPublisher
from tests.integration import readme
from tests.integration.test_readme import _environment
from tests.services.rainer import RainerServer
from tests.services.seaweedfs import Bucket

TEXT = readme.chapter(readme.PATH.read_text("utf-8"), "Assets")
COMMANDS = [
    line.split("  #")[0].strip()
    for block in readme.blocks(TEXT, "sh")
    for line in block.text.splitlines()
    if line.startswith("rainer ")
]

# What the tables call by a name of one letter case or another, and what that is.
OWNERS: dict[str, Any] = {
    "assets": rainer.Assets, "publisher": AssetPublisher, "cache": rainer.AssetCache,
    "composite": store.CompositeStore, "rainer": rainer,
}  # fmt: skip


def test_its_commands_work_on_s3(s3_bucket: Bucket, tmp_path: Path) -> None:
    assert [command.split()[:3] for command in COMMANDS] == [["rainer", "asset", "add"], ["rainer", "asset", "get"]]
    (tmp_path / "bar.csv").write_bytes(b"a,b\n1,2\n")
    with RainerServer() as server:
        more = s3_bucket.environment | {"RAINER_URL": f"{server.url}/diary", "RAINER_AUTHOR": "ada@example.com"}
        environment = _environment(tmp_path, **more)
        for command in COMMANDS:
            text = command.replace("s3://bucket", s3_bucket.url)
            done = subprocess.run(
                ["bash", "-c", text], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60,
                check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
    assert (tmp_path / "copy.csv").read_bytes() == b"a,b\n1,2\n"
    client = s3_bucket.client()
    try:
        listed = client.list_objects_v2(Bucket=s3_bucket.name)["Contents"]
    finally:
        client.close()
    assert "s3://bucket/foo/bar.1.0.0.csv" in TEXT
    assert [found["Key"] for found in listed] == ["foo/bar.1.0.0.csv"]


def test_the_settings_of_the_cache_are_all_there() -> None:
    stated = [readme.spans(row[0])[0] for row in readme.table(TEXT, "setting")]
    known = [row.name for row in settings.TABLE if row.name.startswith("cache_") or row.name == "offline"]
    assert stated == known


def _tables() -> list[str]:
    titles = ("baiji-pod", "epic-bitstore (ours are in `rainer.store`)")
    return [row[1] for title in titles for row in readme.table(TEXT, title)]


def _calls() -> list[str]:
    """The Python calls among our sides of the tables."""
    found = [span for cell in _tables() for span in readme.spans(cell)]
    return [span for span in found if re.fullmatch(r"[A-Za-z_.]+\(.*\)", span)]


def _callable(name: ast.expr) -> Any:
    if isinstance(name, ast.Name):
        if name.id in OWNERS:
            return OWNERS[name.id].__call__
        return getattr(store, name.id, None)
    assert isinstance(name, ast.Attribute)
    owner = name.value
    if isinstance(owner, ast.Name):
        return getattr(OWNERS[owner.id], name.attr)
    return getattr(_callable(owner), name.attr)


def _bound(call: ast.Call) -> None:
    """Raise TypeError if what is called does not take these arguments, AttributeError if there is none of the name."""
    called = _callable(call.func)
    assert called is not None, ast.unparse(call)
    signature = inspect.signature(called)
    parameters = list(signature.parameters.values())
    if parameters and parameters[0].name == "self":
        signature = signature.replace(parameters=parameters[1:])
    words = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    signature.bind(*call.args, **words)
    for inner in [*call.args, *words.values()]:
        for node in ast.walk(inner):
            if isinstance(node, ast.Call):
                _bound(node)


def test_the_calls_in_the_tables_exist_and_take_these_arguments() -> None:
    calls = _calls()
    assert len(calls) > 30
    for text in calls:
        if text != "fetch(uri)":  # what a class of the user's has
            call = ast.parse(text, mode="eval").body
            assert isinstance(call, ast.Call)
            _bound(call)
    assert "fetch(uri)" in calls
    assert list(inspect.signature(store.ApiSource.fetch).parameters) == ["self", "uri"]
    with pytest.raises(TypeError):
        _bound(ast.parse("assets(path, verson=1)", mode="eval").body)  # type: ignore[arg-type]


def test_the_errors_in_the_tables_exist() -> None:
    (row,) = [cell for cell in _tables() if "`rainer.errors`" in cell]
    assert [issubclass(getattr(errors, name), errors.RainerError) for name in readme.spans(row)[:-1]] == [True] * 3
