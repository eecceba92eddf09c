"""Forks among threads that open and lock files of a cache."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path

from rainer.cache import forks


def test_a_child_has_none_of_its_parents_files_and_can_open_its_own(tmp_path: Path) -> None:
    done, opened = threading.Event(), [0] * 4

    def work(number: int) -> None:
        while not done.is_set():
            forks.close_file(forks.open_file(str(tmp_path / str(number)), os.O_RDWR | os.O_CREAT))
            opened[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(opened))]
    for thread in threads:
        thread.start()
    try:
        codes = [_fork(tmp_path) for _ in range(40)]
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert codes == [0] * 40
    assert min(opened) > 0
    assert not forks._open


def _fork(folder: Path) -> int:
    """1 if the child has an open file of the folder, 2 if a thread of it cannot open one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and forks: that is the question here
        pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 3
    try:
        inherited = any(_is_below(number, folder) for number in Path("/proc/self/fd").iterdir())
        mine: list[int] = []
        thread = threading.Thread(
            target=lambda: mine.append(forks.open_file(str(folder / "mine"), os.O_RDWR | os.O_CREAT)), daemon=True
        )
        thread.start()
        thread.join(20)
        code = 1 if inherited else 0 if mine else 2
    finally:
        os._exit(code)


def _is_below(number: Path, folder: Path) -> bool:
    try:
        return number.readlink().is_relative_to(folder)
    except OSError:
        return False
