"""Uses a store, forks while threads use it, and uses it on both sides: a program of its own for test_store_forks.

Arguments: a pickled store in base64. Prints one line and ends with 0 when all went well in both processes.
"""

from __future__ import annotations

import base64
import os
import pickle
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from rainer.store.az import AzStore
from rainer.store.composite import CompositeStore
from rainer.store.gs import GsStore
from rainer.store.reading import read_bytes
from rainer.store.store import Store

PATIENCE_S = 45


def main() -> None:
    signal.alarm(PATIENCE_S)
    store: Store = pickle.loads(base64.b64decode(sys.argv[1]))
    use(store, "before")
    stop = threading.Event()
    busy = [threading.Thread(target=use_until, args=(store, stop)) for _ in range(3)]
    for thread in busy:
        thread.start()
    child = os.fork()
    if not child:
        code = 1
        try:
            signal.alarm(PATIENCE_S)  # a child does not inherit it
            use(store, "child")
            code = 0
        finally:
            os._exit(code)
    use(store, "parent")
    _, status = os.waitpid(child, 0)
    stop.set()
    for thread in busy:
        thread.join()
    use(store, "after")
    store.close()
    print(f"child {os.waitstatus_to_exitcode(status)}")


def use(store: Store, name: str) -> None:
    """Put and read from eight threads at a time."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: there_and_back(store, f"{name}/{number}"), range(24)))
    if isinstance(store, AzStore | GsStore):
        assert store._in_process().pid == os.getpid(), "what another process made is used"


def use_until(store: Store, stop: threading.Event) -> None:
    while not stop.is_set():
        there_and_back(store, f"busy/{threading.get_ident()}")


def there_and_back(store: Store, name: str) -> None:
    data = name.encode() * 2000
    uri = store.uri(name) if not hasattr(store, "add") else store.add(data)
    if not hasattr(store, "add"):
        store.put(uri, data)
    reading = store.open(uri)
    assert reading is not None
    found = read_bytes(reading)
    assert found == data, f"{uri}: {found[:50]!r}"
    if isinstance(store, CompositeStore):
        assert store.get(uri) == data


if __name__ == "__main__":
    main()
