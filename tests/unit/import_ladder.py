"""Reads a package's imports, and some of its calls and names, without importing it; finds what its ladder forbids."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RULES = ("ladder", "libraries", "dialects", "environment", "printing")

# From the lowest rung up. A part imports only from rungs below its own, never from its siblings.
LADDER = (
    ("errors", "limits", "late"),
    ("model",),
    ("settings",),
    ("database",),
    ("journal", "zk", "store", "client"),
    ("publish", "mirror", "cache", "server_store", "access", "proposals", "validation"),
    ("assets",),
    ("service",),
    ("api",),
    ("cli",),
)
RUNG = {part: number for number, rung in enumerate(LADDER) for part in rung}

# Below them on the ladder is not enough: only these parts may import the key.
RESERVED = {
    "settings": {"assets", "service", "api", "cli"},
    "database": {"journal", "server_store", "access", "proposals", "service", "api", "cli"},
}

# They gather what users import, from every rung.
FACADES = {"__init__", "__main__", "testing"}
FACADE_NAMES = {"__version__"}

# Where a library may be imported: paths inside the package.
LIBRARIES = {
    "sqlalchemy": ("database/", "journal/", "server_store/", "access/", "proposals/"),
    "jwt": ("access/",),
    "jsonschema": ("validation/",),
    "referencing": ("validation/",),
    "regex": ("validation/",),
    "alembic": ("database/",),
    "asyncpg": ("database/", "journal/dialects/"),
    "psycopg": ("database/", "journal/dialects/"),
    "pymysql": ("database/", "journal/dialects/"),
    "kazoo": ("zk.py", "zk/"),
    "starlette": ("api/",),
}

DIALECTS = ("postgresql", "mysql", "mariadb", "sqlite")
DIALECT_ROOMS = ("database/", "journal/dialects/")
# AWS's variables are botocore's to read; where they say all, they are read without loading it.
ENVIRONMENT_ROOMS = ("settings.py", "store/http_connect.py", "store/s3_environment.py")
ENVIRONMENT_NAMES = {"environ", "environb", "getenv", "getenvb", "putenv"}
PRINTING_ROOMS = ("cli/",)


@dataclass(frozen=True)
class Violation:
    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text} [{self.rule}]"


def check_tree(package: Path) -> list[Violation]:
    """Everything in the package that breaks a rule, in the order of its files and lines."""
    found = [violation for path in sorted(package.rglob("*.py")) for violation in _check_file(package, path)]
    return sorted(set(found), key=lambda violation: (violation.path, violation.line))


def _check_file(package: Path, path: Path) -> Iterator[Violation]:
    module = Module(package.name, path.relative_to(package).as_posix())
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        for rule, text in module.judge(node):
            yield Violation(f"{package.name}/{module.name}", getattr(node, "lineno", 0), rule, text)
    if module.part not in RUNG and module.part not in FACADES:
        yield Violation(f"{package.name}/{module.name}", 1, "ladder", f"{module.part} has no place on the ladder")


class Module:
    """One source file: its place in the package, and the judgement of each node of its tree."""

    def __init__(self, package: str, name: str) -> None:
        self.package = package
        self.name = name
        self.part = name.split("/")[0].removesuffix(".py")

    def judge(self, node: ast.AST) -> Iterator[tuple[str, str]]:
        for target in self._imported(node):
            yield from self._judge_import(target)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from self._judge_string(node.value)
        if isinstance(node, ast.Attribute | ast.ImportFrom):
            yield from self._judge_environment(node)
        if isinstance(node, ast.Call):
            yield from self._judge_call(node)

    def _imported(self, node: ast.AST) -> Iterator[str]:
        """The full names that a node imports, in whatever way."""
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = self._origin(node)
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("importlib.import_module", "import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        here = [self.package, *self.name.split("/")[:-1]]
        base = here[: len(here) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])

    def _judge_import(self, target: str) -> Iterator[tuple[str, str]]:
        top, _, rest = target.partition(".")
        if top == self.package:
            yield from self._judge_part(rest.split(".")[0])
        elif top in LIBRARIES and not self._stands_in(LIBRARIES[top]):
            yield "libraries", f"{top} may only be imported in {' and '.join(LIBRARIES[top])}"

    def _judge_part(self, other: str) -> Iterator[tuple[str, str]]:
        if self.part in FACADES or other == self.part or other in FACADE_NAMES or self.part not in RUNG:
            return
        if other not in RUNG:
            yield "ladder", f"{self.part} may not import from the facade {self.package} ({other or 'all of it'})"
        elif RUNG[other] > RUNG[self.part]:
            yield "ladder", f"{self.part} may not import {other}, which stands above it"
        elif RUNG[other] == RUNG[self.part]:
            yield "ladder", f"{self.part} may not import {other}, its sibling"
        elif other in RESERVED and self.part not in RESERVED[other]:
            yield "ladder", f"{self.part} may not import {other}, which is for {', '.join(sorted(RESERVED[other]))}"

    def _judge_string(self, value: str) -> Iterator[tuple[str, str]]:
        name = value.lower().partition("+")[0]
        if name in DIALECTS and not self._stands_in(DIALECT_ROOMS):
            yield "dialects", f"the dialect's name {value!r} belongs in {' or '.join(DIALECT_ROOMS)}"

    def _judge_environment(self, node: ast.Attribute | ast.ImportFrom) -> Iterator[tuple[str, str]]:
        if self._stands_in(ENVIRONMENT_ROOMS):
            return
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names} if node.module == "os" and not node.level else set()
        else:
            names = {node.attr} if isinstance(node.value, ast.Name) and node.value.id == "os" else set()
        for name in sorted(names & ENVIRONMENT_NAMES):
            yield "environment", f"os.{name} is for settings.py alone"

    def _judge_call(self, node: ast.Call) -> Iterator[tuple[str, str]]:
        name = _called(node)
        if name in ("print", "click.echo", "click.secho") and not self._stands_in(PRINTING_ROOMS):
            yield "printing", f"{name}() is for cli/ alone"

    def _stands_in(self, rooms: tuple[str, ...]) -> bool:
        return any(self.name == room or (room.endswith("/") and self.name.startswith(room)) for room in rooms)


def _called(node: ast.Call) -> str:
    """`print` or `click.echo`, as it is written; empty for anything longer."""
    if isinstance(node.func, ast.Name):
        return node.func.id
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return f"{node.func.value.id}.{node.func.attr}"
    return ""
