"""What a test run may not do without: RAINER_TEST_REQUIRE names servers, separated by spaces or commas."""

from __future__ import annotations

import os
import re
from typing import NoReturn

import pytest


def required_services() -> set[str]:
    """The names in RAINER_TEST_REQUIRE."""
    return set(re.split(r"[\s,]+", os.environ.get("RAINER_TEST_REQUIRE", "").strip())) - {""}


def do_without(name: str, reason: str) -> NoReturn:
    """Skip a test for want of a server, or fail it where that one is required."""
    if name in required_services():
        pytest.fail(f"{name} is required by RAINER_TEST_REQUIRE: {reason}", pytrace=False)
    pytest.skip(reason)
