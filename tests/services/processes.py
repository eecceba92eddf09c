"""Signals to a whole process tree.

A process group is not enough: each PostgreSQL backend makes a session of its own and so leaves the postmaster's group.
"""

from __future__ import annotations

import contextlib
import os
import signal

import psutil

from tests.services.waiting import wait_until


def tree(pid: int) -> list[psutil.Process]:
    """The process and everything below it, parents first; empty when it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def signal_tree(pid: int, number: signal.Signals) -> list[psutil.Process]:
    """Send one signal to the whole tree, and say to whom it went."""
    members = tree(pid)
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(number)
    return members


def is_stopped(process: psutil.Process) -> bool:
    """Whether a process stands still, or is gone: SIGSTOP takes effect a moment after it was sent."""
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def kill_tree(pid: int) -> None:
    """SIGKILL everything: the tree, and the group it led. Returns when nothing of it runs any more.

    The tree is stopped first, from the top down, so that no parent starts a replacement while its children die.
    """
    signal_tree(pid, signal.SIGSTOP)
    members = signal_tree(pid, signal.SIGKILL)
    if os.getpgrp() != pid:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    _wait_until_dead(members)


def _wait_until_dead(members: list[psutil.Process]) -> None:
    # Whoever is not our child is reaped by init, perhaps late: a zombie holds no port and no lock, and counts as dead.
    wait_until(
        lambda: not any(_runs(member) for member in members),
        30,
        lambda: f"the death of {[member.pid for member in members if _runs(member)]} after SIGKILL",
    )


def _runs(member: psutil.Process) -> bool:
    try:
        return member.is_running() and member.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
