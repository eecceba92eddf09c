"""One contract, the same on every backend: counts the passed contract tests of each and fails when they differ.

A contract test that is skipped or missing on one database would otherwise go unnoticed for years.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

BACKENDS = ("memory", "sqlite", "postgresql", "mariadb")
_PARAMETERS = re.compile(r"\[(.*)\]$", re.DOTALL)


class ContractCounts:
    """Counts in whichever process prints the summary; with pytest-xdist the workers' reports arrive there."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.others = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        backend = _backend(report.nodeid)
        if backend is None:
            return
        if report.when == "call" and report.passed:
            self.passed[backend] += 1
        elif not report.passed:
            self.others = True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.passed:
            counts = ", ".join(f"{backend} {self.passed[backend]}" for backend in BACKENDS)
            terminalreporter.write_line(f"contract tests passed: {counts}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if _is_worker(session.config) or not _is_whole(session.config) or self.others:
            return
        if len(set(self.passed.values())) > 1:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            raise pytest.UsageError(f"the contract suites passed different numbers of tests: {dict(self.passed)}")


def _backend(nodeid: str) -> str | None:
    found = _PARAMETERS.search(nodeid) if "tests/contracts/" in nodeid else None
    words = set(found[1].split("-")) if found else set()
    return next((backend for backend in BACKENDS if backend in words), None)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _is_whole(config: pytest.Config) -> bool:
    """Whether nobody chose some of the tests."""
    option = config.option
    chosen = option.keyword or getattr(option, "lf", False) or option.maxfail
    return not chosen and not any("::" in argument for argument in config.args)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(ContractCounts(), "contract-counts")
