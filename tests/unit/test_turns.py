"""The turns in which threads share the connection of a journal in memory."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from rainer.database.turns import Turns, TurnsPool
from tests.services.waiting import wait_until


def test_turns_come_in_the_order_of_asking() -> None:
    turns, order = Turns(), []

    def ask(number: int) -> None:
        assert turns.take(10)
        order.append(number)
        turns.give()

    assert turns.take(0)
    with ThreadPoolExecutor(8) as threads:
        for number in range(8):
            threads.submit(ask, number)
            wait_until(lambda n=number: len(turns._waiting) == n + 1, 5, "the next in the queue")  # type: ignore[misc]
        turns.give()
    assert order == list(range(8))


def test_whoever_asks_again_at_once_stands_behind_those_who_wait() -> None:
    turns, stop, slow = Turns(), threading.Event(), []

    def greedy() -> None:
        while not stop.is_set():
            assert turns.take(10)
            turns.give()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(greedy)
        for _ in range(50):
            slow.append(turns.take(5))
            turns.give()
        stop.set()
    assert slow == [True] * 50


def test_a_turn_that_does_not_come_in_time_is_not_handed_over_later() -> None:
    turns = Turns()
    assert turns.take(0)
    assert not turns.take(0.01)
    turns.give()
    assert turns.take(0)
    turns.give()


def test_the_pool_keeps_its_connection_and_gives_up_in_time() -> None:
    engine = sa.create_engine("sqlite://", poolclass=TurnsPool, pool_timeout=0.05)
    with engine.connect() as connection:
        first = connection.connection.dbapi_connection
        with pytest.raises(sa.exc.TimeoutError, match="busy"):
            engine.connect()
    for _ in range(3):
        with engine.connect() as connection:
            assert connection.connection.dbapi_connection is first
    engine.dispose()


def test_a_connection_that_cannot_be_made_costs_nobody_his_turn() -> None:
    engine = sa.create_engine("sqlite://", poolclass=TurnsPool, pool_timeout=0.05)

    @sa.event.listens_for(engine, "do_connect")
    def fail(*_: object) -> None:
        raise OSError("no")

    for _ in range(3):
        with pytest.raises(OSError, match="no"):
            engine.connect()
