"""A service that follows a manifest through ZooKeeper, as a process: says which set it sees whenever that changes.

`python -m tests.faults.asset_service HOSTS TREE STORE FOLDER`: a line of JSON for each change, texts of the assets by
path as one snapshot has them, `status` and `revision` beside them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import rainer


def main(hosts: str, tree: str, store: str, folder: Path) -> None:
    """Follow until killed."""
    mirror = rainer.Mirror.zookeeper(hosts, tree, snapshot=folder / "mirror")
    with mirror, rainer.Assets(mirror, store=store, cache=folder / "cache") as assets:
        assets.on_ready(lambda snapshot: None)
        last: dict[str, Any] = {}
        while True:
            told: dict[str, Any] = {"status": assets.status}
            if assets.status != "starting":
                with assets.snapshot() as snapshot:
                    told["texts"] = {path: snapshot(path).read_text() for path in sorted(snapshot.manifest)}
                    told["revision"] = snapshot.revision
            if told != last:
                print(json.dumps(told), flush=True)
                last = told
            time.sleep(0.002)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
