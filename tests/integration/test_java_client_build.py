"""The Java client's own tests, run as `make java` runs them, and its poms: what users get is what was tested."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import rainer
from tests.services import java, java_build
from tests.services.java_build import SOURCES, Dependency

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("java")]

_POMS = [SOURCES / "pom.xml", *(SOURCES / name / "pom.xml" for name in java_build.module_names())]
_JACKSON = {"jackson-core", "jackson-databind", "jackson-annotations"}
_ZOOKEEPER = re.compile(r"\b(org\.apache\.(curator|zookeeper)|org\.slf4j|com\.google)\b")


def test_the_junit_tests_pass(java_client: None) -> None:
    report = java_build.run_tests()
    found = re.search(r"\[ +(\d+) tests successful", report)
    assert found, report
    assert int(found[1]) > 400, report
    assert re.search(r"\[ +0 tests (skipped|aborted)", report), report


def test_it_is_built_once(java_client: None) -> None:
    for name in java_build.module_names():
        folder = java_build.classes(name)
        made = folder.stat().st_mtime_ns
        assert java_build.classes(name) == folder
        assert folder.stat().st_mtime_ns == made


def test_the_http_client_sees_jackson_and_nothing_else(java_client: None) -> None:
    module = java_build.module("rainer-client")
    assert set(module.artifacts("compile")) <= _JACKSON
    assert set(java_build.compile_libraries(module, "main")) == _JACKSON  # with which -Werror compiled it
    offenders = [path for path in module.sources("main") if _ZOOKEEPER.search(path.read_text("utf-8"))]
    assert offenders == []


def test_what_the_jdk_calls_the_http_clients_dependencies(java_client: None) -> None:
    jdeps = java_build.find_binary("jdeps")
    if jdeps is None:
        pytest.skip("no jdeps in PATH")
    command = [
        str(jdeps),
        "--multi-release",
        "17",
        "-summary",
        "-cp",
        java_build.class_path("rainer-client", tests=False),
    ]
    done = subprocess.run(
        [*command, str(java_build.classes("rainer-client"))], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    seen = {line.partition(" -> ")[2].strip() for line in done.stdout.splitlines()}
    assert {Path(name).name for name in seen} <= {
        *("java.base", "java.net.http", "jackson-core.jar", "jackson-databind.jar", "jackson-annotations.jar"),
        *("com.fasterxml.jackson.core", "com.fasterxml.jackson.databind"),
    }, done.stdout + done.stderr


def _settled() -> dict[str, Dependency]:
    return {found.artifact: found for found in java_build.read_dependencies(SOURCES / "pom.xml", managed=True)}


def test_every_dependency_has_its_version_in_the_parent() -> None:
    settled = _settled()
    for name in java_build.module_names():
        for found in java_build.module(name).dependencies:
            assert found.version is None, f"{name}: {found.artifact} has a version of its own"
            assert settled[found.artifact].group == found.group


@pytest.mark.parametrize("artifact", sorted(set(_settled()) - {"rainer-client"}))
def test_the_jars_here_are_what_the_pom_names(artifact: str, java_client: None) -> None:
    named = _settled()[artifact]
    assert named.version is not None
    jar = java.find_jar(artifact)
    if jar is None:
        pytest.skip(f"no {artifact}.jar here")
    numbered = re.compile(rf"{artifact}-(\d+)\.(\d+)[.\d]*\.jar")  # beside or behind the one without a number
    found = [m for path in (jar.resolve(), *jar.parent.glob("*.jar")) if (m := numbered.fullmatch(path.name))]
    assert found, f"{jar} does not tell its version"
    here = {(m[1], m[2]) for m in found}
    assert here == {tuple(named.version.split(".")[:2])}, f"{artifact} is {here} here, and {named.version} in the pom"
    repository = Path("/usr/share/maven-repo")
    if repository.is_dir():  # Debian says under which group Maven knows a jar
        assert list(repository.glob(f"{named.group.replace('.', '/')}/{artifact}/*/{artifact}-*.pom"))


def test_modules_have_the_version_of_the_whole() -> None:
    versions = {re.search(r"<version>([^<]+)</version>", pom.read_text("utf-8"))[1] for pom in _POMS}  # type: ignore[index]
    assert {version.removesuffix("-SNAPSHOT") for version in versions} == {rainer.__version__}
    assert len(versions) == 1
