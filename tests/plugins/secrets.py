"""A token in any log of the run fails it: servers' outputs are searched as they end, this process's log as it grows.

What a person or program is told on stdout (`rainer token create`) is no log.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.services import secrets


class _Searching(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        secrets.search(self.format(record), f"a record of the logger {record.name}")


@pytest.fixture(scope="session", autouse=True)
def _no_token_in_any_log() -> Iterator[None]:
    handler = _Searching()
    logging.getLogger().addHandler(handler)
    yield
    logging.getLogger().removeHandler(handler)
    if secrets.found:
        pytest.fail("tokens stand in logs: " + "; ".join(secrets.found[:20]), pytrace=False)
