"""A manifest's paths as a tree of folders, made once for each state of the manifest."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, TypeAlias

from rainer.model.manifest import Entry

Tree: TypeAlias = Mapping[str, Mapping[str, bool]]
"""Each folder's names, sorted, with whether they are folders."""

_TREES_MAX: Final = 8
_trees: OrderedDict[int, tuple[Mapping[str, Entry], Tree]] = OrderedDict()
_lock = threading.Lock()


def tree_of(entries: Mapping[str, Entry]) -> Tree:
    """The folders of a manifest by path; `/` is always one. Safe across threads.

    A path that is both an asset and a folder of others is both; as a name it stands once, as a file.
    """
    key = id(entries)
    with _lock:
        known = _trees.get(key)
        if known is not None and known[0] is entries:
            _trees.move_to_end(key)
            return known[1]
    made = _made(entries)
    with _lock:
        _trees[key] = entries, made
        while len(_trees) > _TREES_MAX:
            _trees.popitem(last=False)
    return made


def _made(entries: Mapping[str, Entry]) -> Tree:
    folders: dict[str, dict[str, bool]] = {"/": {}}
    for path in entries:
        folder, _, name = path.rpartition("/")
        _children(folders, folder or "/")[name] = False
    return {folder: dict(sorted(children.items())) for folder, children in folders.items()}


def _children(folders: dict[str, dict[str, bool]], folder: str) -> dict[str, bool]:
    found = folders.get(folder)
    if found is None:
        found = folders[folder] = {}
        above, _, name = folder.rpartition("/")
        _children(folders, above or "/").setdefault(name, True)
    return found
