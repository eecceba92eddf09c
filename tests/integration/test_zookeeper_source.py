"""A mirror's source on a real ZooKeeper: every way in which a published tree is read and followed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from rainer.errors import NotFoundError, UnavailableError
from rainer.mirror.zookeeper_source import ZooKeeperSource, open_source
from rainer.model import times
from rainer.model.packed import PackedHead
from rainer.model.published import Report
from tests.integration.recording_sink import RecordingSink
from tests.integration.tree_writer import OTHER_LINEAGE, TreeWriter, record
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper

ROOT = "/rainer/diary"


@pytest.fixture
def hosts(zookeeper_hosts: str) -> str:
    return zookeeper_hosts


@pytest.fixture
def writer(hosts: str) -> Iterator[TreeWriter]:
    with TreeWriter(hosts) as writer:
        writer.make()
        yield writer


@contextlib.contextmanager
def following(hosts: str, sink: RecordingSink | None = None, **options: object) -> Iterator[RecordingSink]:
    sink = sink or RecordingSink()
    source = open_source(hosts, ROOT, **options)  # type: ignore[arg-type]
    sink.source = source
    source.start(sink)
    try:
        yield sink
    finally:
        source.close()
        sink.check()


def wait_for(sink: RecordingSink, writer: TreeWriter, timeout_s: float = 10) -> None:
    """Wait until the sink holds what was published, at its position."""

    def is_there() -> bool:
        return sink.position == writer.position and sink.payloads == writer.payloads

    wait_until(
        is_there, timeout_s, lambda: f"{writer.position}: {writer.versions}; held {sink.position}: {sink.versions}"
    )


def test_what_is_there_is_loaded_and_what_comes_follows(hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1", "b": b"1"})
    with following(hosts) as sink:
        wait_for(sink, writer)
        writer.publish({"a": b"2", "c": b"1"})
        writer.publish({"b": None})
        wait_for(sink, writer)
        assert sink.replaced == 1
        assert sink.applied == [[("a", 2), ("c", 1)], [("b", 2)]]
        assert sink.heads["a"].author == "me"


def test_an_empty_tree_is_a_loaded_one(hosts: str, writer: TreeWriter) -> None:
    with following(hosts) as sink:
        wait_until(lambda: sink.replaced, 10, "the load of nothing")
        assert sink.payloads == {}
        writer.publish({"a": b"1"})
        wait_for(sink, writer)


def test_many_batches_in_a_row_arrive_each_once(hosts: str, writer: TreeWriter) -> None:
    with following(hosts) as sink:
        wait_until(lambda: sink.replaced, 10, "the load")
        for number in range(300):
            writer.publish({f"k{number % 7}": b"%d" % number})
        wait_for(sink, writer)
        seen = [pair for batch in sink.applied for pair in batch]
        assert len(set(seen)) == 300
        assert sink.replaced == 1


def test_a_mirror_costs_one_watch(own_zookeeper: ZooKeeper) -> None:
    with TreeWriter(own_zookeeper.hosts) as writer:
        writer.make()
        writer.publish({f"k{number}": b"1" for number in range(50)})
        with following(own_zookeeper.hosts) as sink:
            wait_for(sink, writer)
            for number in range(300):
                writer.publish({"k1": b"%d" % number})
            wait_for(sink, writer)
            wait_until(lambda: own_zookeeper.figures()["zk_watch_count"] == "1", 10, "one watch")


def test_a_tree_that_comes_later_is_found(hosts: str) -> None:
    with following(hosts) as sink:
        wait_until(lambda: sink.error, 10, "the error that nothing is there")
        assert isinstance(sink.error, NotFoundError)
        assert ROOT in str(sink.error)
        with TreeWriter(hosts) as writer:
            writer.make()
            writer.publish({"a": b"1"})
            wait_for(sink, writer)
            wait_until(lambda: sink.error is None, 10, "the end of the error")


def test_data_behind_its_log_is_made_exact(hosts: str, writer: TreeWriter) -> None:
    """The data nodes show what was, the log what came since; a crash between them must not show."""
    writer.publish({"a": b"1", "b": b"1", "c": b"1"})
    pieces = [writer.records({"a": b"2"}), writer.records({"b": None}), writer.records({"d": b"1"})]
    writer.begin_parts(pieces)
    writer.end_parts(pieces)
    with following(hosts) as sink:
        wait_for(sink, writer)
        assert sink.states[0] == {"a": 2, "c": 1, "d": 1}
        writer.show_parts(pieces)
        writer.publish({"e": b"1"})
        wait_for(sink, writer)
        assert sink.replaced == 1


def test_parts_are_applied_when_the_head_covers_the_last(hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1"})
    with following(hosts) as sink:
        wait_for(sink, writer)
        pieces = [writer.records({"a": b"2"}), writer.records({"b": b"1"}), writer.records({"c": b"1"})]
        seen = len(sink.confirmed)
        writer.begin_parts(pieces)
        writer.beat()
        wait_until(lambda: len(sink.confirmed) > seen, 10, "a look at the tree")
        assert sink.versions == {"a": 1}
        writer.end_parts(pieces)
        wait_for(sink, writer)
        writer.show_parts(pieces)
        writer.publish({"d": b"1"})
        wait_for(sink, writer)
        assert {"a": 2, "b": 1, "c": 1} in sink.states
        assert all(len(state) != 2 for state in sink.states)
        assert sink.replaced == 1


def test_parts_of_a_dead_publisher_are_forgotten(hosts: str, writer: TreeWriter) -> None:
    """They stood above the head; the next publisher deletes them and writes something else in their place."""
    writer.publish({"a": b"1"})
    with following(hosts) as sink:
        wait_for(sink, writer)
        revision = writer.revision
        lost = [[record("x", 1, b"lost", revision + 1)], [record("y", 1, b"lost", revision + 2)]]
        writer.begin_parts(lost)
        writer.beat()
        for n in (writer.n + 1, writer.n + 2):
            writer.client.delete(writer.log_path(n))
        for number in range(4):
            writer.publish({"b": b"%d" % number})
        wait_for(sink, writer)
        assert not any("x" in state or "y" in state for state in sink.states)


def test_a_repair_counts_whatever_version_is_held(hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1"})
    forged = record("a", 99, b"by hand", 0).data
    writer.client.set(f"{ROOT}/data/a", forged)
    with following(hosts) as sink:
        wait_until(lambda: sink.versions == {"a": 99}, 10, "what stands there")
        writer.write([record("a", 1, b"1", 1)], repair=True)
        wait_for(sink, writer)
        writer.publish({"a": b"2"})
        wait_for(sink, writer)
        assert sink.versions == {"a": 2}


def test_a_quiet_namespace_moves_on_with_the_journal(hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1"})
    with following(hosts) as sink:
        wait_for(sink, writer)
        writer.revision += 10  # commits of other namespaces
        writer.set_head()
        writer.beat()
        wait_for(sink, writer)
        wait_until(lambda: sink.confirmed[-1][0] == writer.revision, 10, "its confirmation")
        writer.publish({"a": b"2"})
        wait_for(sink, writer)
        assert sink.replaced == 1


def test_a_commit_larger_than_a_znode_is_whole(hosts: str, writer: TreeWriter) -> None:
    big = bytes(range(256)) * 10_000
    writer.publish({"a": b"1"})
    writer.publish_large("early", big)
    with following(hosts) as sink:
        wait_for(sink, writer)
        writer.publish_large("late", big + b"2")
        wait_for(sink, writer)
        writer.publish({"late": b"small"})
        wait_for(sink, writer)
        assert sink.replaced == 1


def test_pieces_that_were_superseded_are_not_waited_for(hosts: str, writer: TreeWriter) -> None:
    big = bytes(2_000_000)
    with following(hosts) as sink:
        wait_until(lambda: sink.replaced, 10, "the load")
    writer.publish_large("a", big)
    writer.publish_large("a", big + b"2")
    writer.remove_pieces("a", 1)
    with following(hosts) as sink:
        wait_for(sink, writer)


def test_pieces_that_are_damaged_keep_the_last_good_value(hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"good", "b": b"1"})
    with following(hosts) as sink:
        wait_for(sink, writer)
        listed = writer.publish_large_damaged("a", bytes(2_000_000))
        wait_until(lambda: "a" in sink.rejected, 10, "the refusal")
        assert sink.payloads["a"] == b"good"
        assert "pieces" in sink.rejected["a"]
        writer.publish({"b": b"2"})
        wait_until(lambda: sink.payloads["b"] == b"2", 10, "the others going on")
        assert listed.version == 2
    with following(hosts) as late:
        wait_until(lambda: late.replaced, 10, "the load")
        assert late.payloads == {"b": b"2"}
        assert "a" in late.rejected


def test_bytes_that_do_not_parse_keep_the_last_good_value(hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"good", "b": b"1"})
    with following(hosts) as sink:
        wait_for(sink, writer)
        writer.client.set(f"{ROOT}/data/a", b"garbage")
        writer.write([PackedHead("a", 2, writer.revision, record("a", 2, b"", 1).kind, b"garbage")])
        writer.publish({"b": b"2"})
        wait_until(lambda: sink.payloads["b"] == b"2", 10, "the others going on")
        assert sink.payloads["a"] == b"good"
        assert "a" in sink.rejected
    with following(hosts) as late:
        wait_until(lambda: late.replaced, 10, "the load")
        assert late.payloads == {"b": b"2"}
        assert "a" in late.rejected


def test_a_corrupt_batch_is_read_from_the_data_nodes(hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1"})
    with following(hosts) as sink:
        wait_for(sink, writer)
        writer.write(writer.records({"a": b"2"}), data=b"not a batch at all, whatever it says")
        wait_for(sink, writer)
        writer.publish({"a": b"3"})
        wait_for(sink, writer)
        assert sink.replaced == 2


def test_a_head_that_nobody_can_read_is_borne(hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1"})
    with following(hosts) as sink:
        wait_for(sink, writer)
        writer.client.set(f"{ROOT}/head", b"by hand")
        wait_until(lambda: sink.error, 10, "the error")
        assert "head" in str(sink.error)
        assert sink.payloads == {"a": b"1"}
        writer.publish({"a": b"2"})
        wait_for(sink, writer)


def test_another_lineage_is_loaded_anew(hosts: str, writer: TreeWriter) -> None:
    for number in range(5):
        writer.publish({"a": b"%d" % number, "old": b"1"})
    with following(hosts) as sink:
        wait_for(sink, writer)
        writer.lineage, writer.revision = OTHER_LINEAGE, 2
        writer.versions, writer.payloads = {"a": 1}, {}
        writer.client.delete(f"{ROOT}/data/old")
        writer.publish({"a": b"new"})
        wait_for(sink, writer)
        assert sink.versions == {"a": 2}
        assert sink.replaced == 2


def test_a_tree_made_anew_is_not_taken_for_the_old_one(hosts: str, writer: TreeWriter) -> None:
    """Its numbers begin again, and pass the number that was watched."""
    writer.publish({"a": b"1"})
    writer.publish({"b": b"1"})
    with following(hosts) as sink:
        wait_for(sink, writer)
        writer.wipe()
        wait_until(lambda: isinstance(sink.error, UnavailableError), 10, "the loss of the head")
        assert "head" in str(sink.error)
        assert sink.payloads == {"a": b"1", "b": b"1"}
        revision, writer.revision, writer.n, writer.data_n = writer.revision, 0, 0, 0
        writer.versions, writer.payloads = {}, {}
        writer.make()
        writer.publish({"a": b"1"})
        wait_until(lambda: "revision 1" in str(sink.error), 10, "the tree that is older than what is held")
        assert sink.payloads == {"a": b"1", "b": b"1"}
        writer.publish({"b": b"1"})
        assert writer.revision == revision
        writer.publish({"c": b"1"})
        writer.publish({"b": None})
        wait_for(sink, writer)
        wait_until(lambda: sink.error is None, 10, "the end of the error")
        assert sink.position == writer.position


def test_who_comes_back_after_the_log_was_trimmed_loads(hosts: str) -> None:
    with TreeWriter(hosts, keep=3) as writer:
        writer.make()
        writer.publish({"a": b"1"})
        with following(hosts) as sink:
            wait_for(sink, writer)
            for number in range(20):
                writer.publish({f"k{number}": b"1"})
            wait_for(sink, writer)


def test_a_snapshot_newer_than_the_tree_is_kept(hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1"})
    ahead = RecordingSink(writer.position)
    ahead.position = type(writer.position)(writer.lineage, 50, b"\1" * 32)
    with following(hosts, ahead) as sink:
        wait_until(lambda: isinstance(sink.error, UnavailableError), 10, "the refusal")
        assert sink.replaced == 0
        writer.revision = 60
        writer.publish({"a": b"2"})
        wait_for(sink, writer)


def test_confirmed_while_somebody_vouches_for_it(hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1"})
    writer.beat()
    with following(hosts) as sink:
        wait_until(lambda: sink.confirmed, 10, "the first confirmation")
        revision, at_ms = sink.confirmed[-1]
        assert revision == writer.revision
        assert at_ms is not None
        assert abs(times.now_ms() - at_ms) < 10_000


def test_nobody_vouches_for_a_tree_without_a_publisher(hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1"})
    writer.beat(time_ms=times.now_ms() - 60_000)
    with following(hosts) as sink:
        wait_for(sink, writer)
        wait_until(lambda: sink.error, 15, "the word that it gives no sign of life")
        assert "sign of life" in str(sink.error)
        assert sink.confirmed == []
        writer.beat()
        wait_until(lambda: sink.confirmed, 10, "the confirmation")


def test_a_publisher_behind_its_journal_is_no_younger_than_that(hosts: str, writer: TreeWriter) -> None:
    since = times.now_ms() - 7_000
    writer.beat(oldest_ms=since)
    with following(hosts) as sink:
        wait_until(lambda: sink.confirmed, 10, "the confirmation")
        assert sink.confirmed[-1] == (writer.revision, since)


def test_a_mirror_reports_what_it_holds(hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1"})
    writer.client.set(f"{ROOT}/data/a", b"garbage")

    def reports() -> list[Report]:
        names = writer.client.get_children(f"{ROOT}/mirrors")
        return [Report.from_bytes(writer.client.get(f"{ROOT}/mirrors/{name}")[0]) for name in names]

    with following(hosts) as sink:
        found = wait_until(reports, 10, "a report")
        assert [(r.lineage, r.revision, list(r.rejected)) for r in found] == [(writer.lineage, 1, ["a"])]
        writer.publish({"b": b"1"})
        wait_until(lambda: [r.revision for r in reports()] == [2], 5, "the report of the next revision")
        writer.write([record("a", 1, b"1", 1)], repair=True)
        wait_until(lambda: [r.rejected for r in reports()] == [{}], 5, "the report of the repair")
        wait_for(sink, writer)
    assert reports() == []


def test_a_mirror_without_reports_leaves_no_trace(hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1"})
    with following(hosts, reports=False) as sink:
        wait_for(sink, writer)
        assert writer.client.get_children(f"{ROOT}/mirrors") == []


def test_closing_before_anything_answered_is_quick_and_clean() -> None:
    source = open_source("127.0.0.1:1", ROOT)
    source.start(RecordingSink())
    source.close()
    ZooKeeperSource.close(open_source("127.0.0.1:1", ROOT))
