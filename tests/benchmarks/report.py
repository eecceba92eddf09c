"""The table: every row that there is to measure, what came out, and whether it is what was promised."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

MET, MISSED, NO_TARGET, NOT_MEASURED = "met", "missed", "", "not measured"


@dataclass
class Row:
    """One line: our figure in each round, and the other's in the same round where there is another."""

    what: str
    unit: str
    other: str = ""
    at_least: float | None = None
    below: float | None = None
    ours: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours over the other's, round by round: what disturbs a whole round leaves its ratio alone."""
        return [mine / theirs for mine, theirs in zip(self.ours, self.others, strict=True)] if self.others else []

    @property
    def target(self) -> str:
        unit = "×" if self.other else self.unit
        if self.at_least is not None:
            return f"≥ {self.at_least:g} {unit}"
        return "" if self.below is None else f"< {self.below:g} {unit}"

    @property
    def verdict(self) -> str:
        if not self.ours:
            return NOT_MEASURED
        value = statistics.median(self.ratios or self.ours)
        if self.at_least is not None:
            return MET if value >= self.at_least else MISSED
        if self.below is not None:
            return MET if value < self.below else MISSED
        return NO_TARGET

    def as_dict(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "unit": self.unit,
            "other": self.other,
            "ours": self.ours,
            "others": self.others,
            "ratio": statistics.median(self.ratios) if self.ratios else None,
            "target": self.target,
            "verdict": self.verdict,
            "note": self.note,
        }


def _all_rows() -> dict[str, Row]:
    return {
        "commits/postgresql/etcd": Row("64 writers, PostgreSQL", "/s", "etcd put", at_least=1.0),
        "commits/postgresql/one": Row("64 writers, PostgreSQL", "/s", "one transaction each", at_least=5.0),
        "reads/postgresql/etcd": Row("64 readers of heads, PostgreSQL", "/s", "etcd range", at_least=2.0),
        "commits/sqlite/one": Row("64 writers, SQLite", "/s", "one transaction each", at_least=4.0),
        "commits/mariadb/one": Row("64 writers, MariaDB", "/s", "one transaction each"),
        "identity/sqlite": Row("64 writers, SQLite, identity and a schema", "/s", "open, no rules"),
        "identity/sqlite/cost": Row("what identity and a schema cost 64 writers", "%", below=15),
        "list/postgresql/bare": Row("list again, PostgreSQL", "ms", "bare query", below=1.5),
        "list/postgresql/payload": Row("list with payloads again, PostgreSQL", "ms", "bare query", below=1.5),
        "list/sqlite/bare": Row("list again, SQLite", "ms", "bare query", below=1.5),
        "list/sqlite/payload": Row("list with payloads again, SQLite", "ms", "bare query", below=1.5),
        **_unknown_lists("postgresql", "PostgreSQL"),
        **_unknown_lists("sqlite", "SQLite"),
        "memory/postgresql": Row("growth while it lists, PostgreSQL", "MiB", below=30),
        "memory/sqlite": Row("growth while it lists, SQLite", "MiB", below=30),
        "single/postgresql/p50": Row("1 writer, PostgreSQL, p50", "ms", "etcd put"),
        "single/postgresql/p99": Row("1 writer, PostgreSQL, p99", "ms", "etcd put"),
        "single/sqlite/p50": Row("1 writer, SQLite, p50", "ms", "etcd put"),
        "single/sqlite/p99": Row("1 writer, SQLite, p99", "ms", "etcd put"),
        "mirrors/zookeeper/latency": Row("commit answered → in a mirror, p50", "ms", "set, watch, get", below=2.0),
        "pages/list": Row("web page: a list's first paint", "ms", below=300),
        "pages/sorted": Row("web page: the list by last change", "ms", below=300),
        "pages/search": Row("web page: search, few hits", "ms", below=300),
        "pages/common": Row("web page: search, every key hits", "ms", below=300),
        "pages/grown": Row("web page: all of these, more versions", "ms", "one version a key", below=1.5),
        "pages/status": Row("web page: status of 1,000 mirrors", "ms", below=300),
        "mirrors/ready": Row("a mirror is ready", "ms", below=1_500),
        "mirrors/memory/fresh": Row("a mirror's memory a key, ready", "B", below=800),
        "mirrors/memory/read": Row("a mirror's memory a key, all read", "B"),
        "mirrors/watches": Row("a mirror's watches", "", below=1.5),
        "mirrors/read": Row("mirror[key]", "ns", "dict[key]", below=3.0),
        "mirrors/publishing": Row("publishing all heads", "/s", at_least=15_000),
        "mirrors/reconcile": Row("reconciling an unchanged tree", "ms", below=5),
        "mirrors/treecache": Row("keys until a mirror is ready", "/s", "kazoo's TreeCache", at_least=40),
        "mirrors/java/ready": Row("a Java mirror is ready", "ms", below=3_000),
        "mirrors/java/latency": Row("commit answered → in a Java mirror, p50", "ms", "Python mirror"),
        "mirrors/http/spread": Row("HTTP mirrors, first to last seen", "ms"),
        "cache/hit": Row("cached file, warm", "µs", below=5),
        "cache/hit/pooch": Row("cached file, 10 KiB, warm", "µs", "pooch"),
        "cache/hit/pooch/large": Row("cached file, 10 MiB, warm", "µs", "pooch"),
        "cache/hit/huggingface": Row("cached file, 10 KiB, warm", "µs", "huggingface_hub"),
        "cache/hit/fsspec": Row("cached file, 10 KiB, warm", "µs", "fsspec filecache"),
        "cache/evict": Row("evicting a tenth of a cache", "s", below=3),
        "fsspec/open": Row("opening through fsspec, warm", "µs", below=20),
        "fsspec/open/filecache": Row("opening through fsspec, warm", "µs", "fsspec filecache"),
        "fsspec/open/builtin": Row("opening through fsspec, warm", "µs", "plain open()"),
        **_fetches(),
        "assets/resolve": Row("resolving an asset, known", "µs", below=2),
        "assets/resolve/dict": Row("resolving an asset, known", "µs", "plain dict"),
        "assets/resolve/first": Row("resolving an asset, first", "ms"),
        "assets/parse": Row("parsing a manifest", "ms"),
        "groups/postgresql": Row("commits a group, PostgreSQL", ""),
        "groups/sqlite": Row("commits a group, SQLite", ""),
        "groups/mariadb": Row("commits a group, MariaDB", ""),
    }


def _fetches() -> dict[str, Row]:
    """Cold fetches, and the memory that ours take."""
    rows = {}
    for name, title, least, more in (
        ("small", "2,000 × 10 KiB", 1.0, 4.0),
        ("middle", "200 × 1 MiB", 0.7, 2.5),
        ("large", "4 × 256 MiB", 0.7, 1.3),
    ):
        rows[f"fetch/{name}/s5cmd"] = Row(f"fetching {title}, cold", "MiB/s", "s5cmd", at_least=least)
        rows[f"fetch/{name}/boto3"] = Row(f"fetching {title}, cold", "MiB/s", "boto3's TransferManager", at_least=more)
        rows[f"fetch/{name}/memory"] = Row(f"memory while it fetches {title}", "MiB", below=60)
    return rows


def _unknown_lists(name: str, title: str) -> dict[str, Row]:
    """Lists of which a server remembers nothing, or not all."""
    return {
        f"list/{name}/{form}/{state}": Row(f"{what}, {when}, {title}", "ms", "bare query")
        for form, what in (("bare", "list"), ("payload", "list with payloads"))
        for state, when in (("cold", "first after a start"), ("changed", "after one commit"))
    }


class Results:
    """All rows, filled in as the stages go."""

    def __init__(self) -> None:
        self.rows: Final = _all_rows()
        self.failures: Final[list[str]] = []

    def record(self, name: str, ours: Iterable[float], others: Iterable[float] = (), note: str = "") -> None:
        """What the rounds brought for a row."""
        row = self.rows[name]
        row.ours, row.others, row.note = list(ours), list(others), note

    def excuse(self, names: Iterable[str], reason: str) -> None:
        """Say why these rows are empty, those of them that are."""
        for name in names:
            if not self.rows[name].ours:
                self.rows[name].note = reason

    @property
    def all_met(self) -> bool:
        """Whether every row with a target was measured and met it."""
        return all(row.verdict == MET for row in self.rows.values() if row.target)


def number(value: float) -> str:
    """Three digits that mean something, thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values: Sequence[float], unit: str = "") -> str:
    """`median (least–most) unit`."""
    if not values:
        return ""
    middle = number(statistics.median(values))
    ends = "" if len(values) == 1 else f" ({number(min(values))}–{number(max(values))})"
    return f"{middle}{ends} {unit}".rstrip()


def table(rows: Iterable[Row]) -> str:
    """All rows as aligned text, a row's remark beneath it."""
    lines: list[Sequence[str]] = [("What", "Rainer", "The other", "", "Ratio", "Target", "")]
    remarks: dict[int, str] = {}
    for row in rows:
        lines.append(
            (
                row.what,
                spread(row.ours, row.unit),
                row.other,
                spread(row.others, row.unit),
                spread(row.ratios, "×"),
                row.target,
                row.verdict.upper() if row.verdict == MISSED else row.verdict,
            )
        )
        if row.note:
            remarks[len(lines) - 1] = row.note
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    shown = []
    for at, line in enumerate(lines):
        shown.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if at in remarks:
            shown.append(f"    {remarks[at]}")
    return "\n".join(shown)
