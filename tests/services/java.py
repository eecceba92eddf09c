"""Java programs and libraries as distributions install them: jars by name, without a build tool or a download."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tests.services.machine import find_binary

# Debian's folder for every library, and Homebrew's for those that ZooKeeper brings along.
_FOLDERS = ("/usr/share/java", "/opt/homebrew/opt/zookeeper/libexec/lib", "/usr/local/opt/zookeeper/libexec/lib")


def find_jar(name: str) -> Path | None:
    """The jar of this library: `name.jar`, or the newest `name-VERSION.jar` where there is no such link."""
    for folder in (Path(folder) for folder in _FOLDERS):
        plain = folder / f"{name}.jar"
        if plain.is_file():
            return plain
        numbered = sorted(folder.glob(f"{name}-[0-9]*.jar"))
        if numbered:
            return numbered[-1]
    return None


def missing(programs: Iterable[str], jars: Iterable[str]) -> str | None:
    """Which of these programs and jars this machine lacks, in words; None when it has all."""
    names = [f"the program {name}" for name in programs if find_binary(name) is None]
    names += [f"{name}.jar" for name in jars if find_jar(name) is None]
    return f"not found in PATH or {_FOLDERS[0]}: {', '.join(names)}" if names else None


def class_path(*jars: str) -> str:
    """What java's -cp takes, of those of the jars that are there."""
    return os.pathsep.join(str(jar) for jar in map(find_jar, jars) if jar is not None)
