"""What holds for every test. The fixtures live in tests/plugins, the servers themselves in tests/services."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["tests.plugins.contract_counts", "tests.plugins.leaks", "tests.plugins.seed", "tests.plugins.servers"]

# A loaded two-core machine is no reason to fail: what must be fast is measured by the benchmarks.
settings.register_profile("rainer", deadline=None, print_blob=True)
settings.load_profile("rainer")
