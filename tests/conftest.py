"""What holds for every test. The fixtures live in tests/plugins, the servers themselves in tests/services."""

from __future__ import annotations

import signal

from hypothesis import settings

from tests.services.machine import servers_keep_their_data_in_memory

pytest_plugins = [
    "tests.plugins.contract_counts",
    "tests.plugins.leaks",
    "tests.plugins.object_stores",
    "tests.plugins.secrets",
    "tests.plugins.seed",
    "tests.plugins.servers",
    "tests.plugins.java",  # which stands on the one before
]

# A loaded two-core machine is no reason to fail: what must be fast is measured by the benchmarks.
settings.register_profile("rainer", deadline=None, print_blob=True)
settings.load_profile("rainer")

servers_keep_their_data_in_memory()

# Started in the background, or by nohup, we inherit that these are ignored, and every server and command that a test
# starts would too: what is to end by ^C or with its terminal would not.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
