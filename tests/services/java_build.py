"""Builds and tests the Java client without Maven: javac, against a distribution's jars. `make java` is this program.

What each module may see is read from its pom, which stays the users' way: a library that the pom does not name is not
on the class path, unless another one brings it along. Each module's classes stand in a folder named by everything that
went into them, so that a second build is none, and tests that run side by side share one.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import java
from tests.services.machine import find_binary

_CHECKOUT = Path(__file__).parents[2]
SOURCES = _CHECKOUT / "clients" / "java"
VECTORS = _CHECKOUT / "tests" / "vectors"
_OUTPUT = _CHECKOUT / "build" / "java"
_KEPT_BUILDS = 3

# What Maven fetches of itself for what a pom names; the second row of each is wanted only where a test runs.
_BROUGHT_ALONG = {
    "jackson-databind": ("jackson-core", "jackson-annotations"),
    "curator-recipes": ("curator-framework",),
    "curator-framework": ("curator-client",),
    "curator-client": ("zookeeper", "guava", "slf4j-api"),
    "zookeeper": ("zookeeper-jute", "slf4j-api"),
    "junit-jupiter": (
        *("junit-jupiter-api", "junit-jupiter-params", "junit-jupiter-engine", "junit-platform-commons"),
        *("junit-platform-engine", "opentest4j", "apiguardian-api"),
    ),
}
_AT_RUN_TIME = (
    *("failureaccess", "metrics-core", "snappy-java", "netty-buffer", "netty-codec", "netty-common", "netty-handler"),
    *("netty-resolver", "netty-transport", "netty-transport-native-unix-common", "netty-transport-native-epoll"),
)
_LAUNCHER = ("junit-platform-console", "junit-platform-launcher", "junit-platform-reporting", "picocli")
# Debian's jars name in their manifests others that are not installed, hence no "path".
_JAVAC = ("-Xlint:all,-path,-processing", "-Xdoclint:all,-missing", "-Werror", "-encoding", "UTF-8", "--release", "17")
JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
"""Options for a JVM that lives for seconds: compile fast rather than well, one collector thread."""

_POM = {"m": "http://maven.apache.org/POM/4.0.0"}


class BuildError(Exception):
    """javac or JUnit was not satisfied; the text is theirs."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """What a pom names: `version` is None where the parent tells."""

    group: str
    artifact: str
    version: str | None
    scope: str


@dataclass(frozen=True, slots=True)
class Module:
    """A Maven module: its sources, and what its pom names."""

    name: str
    dependencies: tuple[Dependency, ...]

    @property
    def folder(self) -> Path:
        return SOURCES / self.name

    def sources(self, kind: str) -> list[Path]:
        """The Java files of `main` or `test`."""
        return sorted((self.folder / "src" / kind / "java").rglob("*.java"))

    def artifacts(self, *scopes: str) -> list[str]:
        return [dependency.artifact for dependency in self.dependencies if dependency.scope in scopes]

    def modules(self) -> list[Module]:
        """The modules that this one stands on."""
        return [module(name) for name in self.artifacts("compile") if name in module_names()]


def read_dependencies(pom: Path, *, managed: bool = False) -> tuple[Dependency, ...]:
    """What a pom names as dependencies, or as those whose versions it settles; properties are filled in."""
    root = ET.parse(pom).getroot()
    properties = {
        element.tag.partition("}")[2]: element.text or "" for element in root.iterfind("m:properties/*", _POM)
    }
    path = "m:dependencyManagement/m:dependencies/m:dependency" if managed else "m:dependencies/m:dependency"
    return tuple(_dependency(element, properties) for element in root.iterfind(path, _POM))


def _dependency(element: ET.Element, properties: dict[str, str]) -> Dependency:
    def text(name: str) -> str | None:
        return element.findtext(f"m:{name}", None, _POM)

    version = text("version")
    if version is not None and version.startswith("${"):
        version = properties.get(version[2:-1], version)
    return Dependency(text("groupId") or "", text("artifactId") or "", version, text("scope") or "compile")


@functools.cache
def module_names() -> tuple[str, ...]:
    """The modules that the parent pom lists, in that order."""
    root = ET.parse(SOURCES / "pom.xml").getroot()
    return tuple(element.text or "" for element in root.iterfind("m:modules/m:module", _POM))


@functools.cache
def module(name: str) -> Module:
    return Module(name, read_dependencies(SOURCES / name / "pom.xml"))


def libraries(artifacts: Iterable[str]) -> list[str]:
    """The artifacts with what they bring along, each once."""
    found: dict[str, None] = {}
    waiting = list(artifacts)
    while waiting:
        artifact = waiting.pop(0)
        if artifact not in found and artifact not in module_names():
            found[artifact] = None
            waiting += _BROUGHT_ALONG.get(artifact, ())
    return list(found)


def compile_libraries(of: Module, kind: str) -> list[str]:
    """What javac sees of others when it compiles `main` or `test` of a module."""
    named = of.artifacts("compile") if kind == "main" else of.artifacts("compile", "test")
    return libraries(named + [artifact for other in of.modules() for artifact in other.artifacts("compile")])


def missing(*names: str) -> str | None:
    """Why these modules (all of them, if none is named) cannot be built and tested here; None where they can."""
    wanted: dict[str, None] = dict.fromkeys(("junit-platform-console", "junit-platform-launcher"))
    for name in names or module_names():
        wanted |= dict.fromkeys(compile_libraries(module(name), "test"))
    wanted.pop("junit-jupiter", None)  # an empty jar that only names others
    return java.missing(["java", "javac"], wanted)


def classes(name: str, kind: str = "main") -> Path:
    """The folder with a module's compiled classes, made where they are not there yet; BuildError with javac's words."""
    of = module(name)
    before = [classes(other.name) for other in of.modules()] + ([classes(name)] if kind == "test" else [])
    libraries_path = java.class_path(*compile_libraries(of, kind))
    resources = of.folder / "src" / kind / "resources"
    target = _OUTPUT / f"{name}-{kind}-{_print_of(of, kind, before, libraries_path, resources)}"
    if target.is_dir():
        return target
    with _locked(_OUTPUT / f".{name}-{kind}.lock"):
        if not target.is_dir():
            _compile(of.sources(kind), [*map(str, before), libraries_path], resources, target)
            _forget_old_builds(f"{name}-{kind}-", target)
    return target


def _print_of(of: Module, kind: str, before: list[Path], libraries_path: str, resources: Path) -> str:
    files = [*of.sources(kind), *sorted(path for path in resources.rglob("*") if path.is_file())]
    digest = hashlib.sha256(repr((_JAVAC, [path.name for path in before], libraries_path)).encode())
    for path in files:
        digest.update(f"{path.relative_to(of.folder)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _compile(sources: list[Path], class_path: list[str], resources: Path, target: Path) -> None:
    work = Path(tempfile.mkdtemp(prefix=".javac-", dir=_OUTPUT))
    try:
        if resources.is_dir():
            shutil.copytree(resources, work, dirs_exist_ok=True)
        if sources:
            options = [*(f"-J{option}" for option in JVM), *_JAVAC, "-cp", os.pathsep.join(filter(None, class_path))]
            _run([str(find_binary("javac")), *options, "-d", str(work), *map(str, sources)], "javac")
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _forget_old_builds(prefix: str, newest: Path) -> None:
    old = sorted(_OUTPUT.glob(f"{prefix}*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in old[_KEPT_BUILDS:]:
        if folder != newest:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def class_path(name: str, *, tests: bool = True) -> str:
    """What java's -cp takes to run a module, with its tests' classes unless told otherwise."""
    of = module(name)
    own = [classes(name, "test")] if tests else []
    folders = [*own, classes(name), *(classes(other.name) for other in of.modules())]
    artifacts = compile_libraries(of, "test" if tests else "main")
    at_run_time = _AT_RUN_TIME if "zookeeper" in artifacts else ()
    return os.pathsep.join([*map(str, folders), java.class_path(*artifacts, *at_run_time)])


def run_tests(*names: str) -> str:
    """Run the JUnit tests of these modules (or of all) in one JVM; JUnit's report, or BuildError with it."""
    wanted = names or module_names()
    paths = os.pathsep.join([*map(class_path, wanted), java.class_path(*_LAUNCHER)])
    scanned = [argument for name in wanted for argument in ("--scan-class-path", str(classes(name, "test")))]
    command = [
        *(str(find_binary("java")), *JVM, "-ea", f"-Drainer.vectors={VECTORS}"),
        *("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", paths),
        *("org.junit.platform.console.ConsoleLauncher", *scanned, "--disable-banner", "--details=tree"),
        *("--details-theme=ascii", "--disable-ansi-colors", "--fail-if-no-tests"),
    ]
    return _run(command, "JUnit")


def _run(command: list[str], what: str) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise BuildError(f"{what} ended with exit code {done.returncode}:\n{done.stdout}")
    return done.stdout


def main() -> int:
    """Compile all modules, run their tests, and say how it went."""
    reason = missing()
    if reason:
        print(f"Skipped: the Java client ({reason}).", file=sys.stderr)
        return 1 if "java" in os.environ.get("RAINER_TEST_REQUIRE", "").split() else 0
    try:
        print(run_tests(*sys.argv[1:]))
    except BuildError as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
