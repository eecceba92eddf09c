"""The leak check finds what it is there to find."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from tests.plugins.leaks import leaks, open_files


def test_a_thread_and_a_socket_are_found_while_they_live() -> None:
    threads, files = set(threading.enumerate()), open_files()
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="straggler")
    thread.start()
    try:
        with socket.socket() as left:
            found = leaks(threads, files)
            assert "thread 'straggler'" in found
            assert any(text.startswith(f"file descriptor {left.fileno()} (") for text in found)
    finally:
        end.set()
        thread.join()
    assert leaks(threads, files) == []


def test_a_descriptor_that_was_replaced_is_found() -> None:
    read, write = os.pipe()
    try:
        files = open_files()
        with Path(os.devnull).open("rb") as other:
            os.dup2(other.fileno(), read)
        assert leaks(set(threading.enumerate()), files) == [f"file descriptor {read} ({os.devnull})"]
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.may_leak("the test is about this mark")
def test_a_marked_test_may_leak() -> None:
    left = os.open(os.devnull, os.O_RDONLY)
    assert left in open_files()
    os.close(left)
