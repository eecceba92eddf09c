"""The yardstick: the same stack (uvicorn, uvloop, httptools, Starlette, SQLAlchemy Core), one transaction per request.

Each POST of a commit goes to a thread, which begins, reads the key's newest version, inserts and commits. It is what
one writes first, made with care: pooled connections, durable settings; and it logs, hashes and checks nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "sqlite": "sqlite+pysqlite"}

# SQLite has one writer at a time: more threads would only sleep in its busy handler, and were no faster.
_THREADS = {"postgresql": 16, "mysql": 16, "sqlite": 1}

_commits = sa.Table(
    "commits", sa.MetaData(),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("mtime_ms", sa.BigInteger, nullable=False),
    sa.Column("is_empty", sa.Boolean, nullable=False),
    sa.Column("payload", sa.LargeBinary),
)  # fmt: skip
_NEWEST = sa.select(sa.func.max(_commits.c.version)).where(_commits.c.key == sa.bindparam("key"))
_INSERT = sa.insert(_commits)
_COUNT = sa.select(sa.func.count()).select_from(_commits)


def open_engine(address: str) -> sa.Engine:
    """An engine with one pooled connection for each thread, every commit synced."""
    url = sa.make_url(address)
    dialect = url.get_backend_name()
    url = url.set(drivername=_DRIVERS[dialect])
    if dialect != "sqlite":
        return sa.create_engine(url, pool_size=_THREADS[dialect], max_overflow=0)
    engine = sa.create_engine(url, pool_size=_THREADS[dialect], max_overflow=0, connect_args={"timeout": 30})

    @sa.event.listens_for(engine, "connect")
    def set_durable(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours to say
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@dataclass
class Commits:
    """The app's endpoints over one engine."""

    engine: sa.Engine
    threads: ThreadPoolExecutor

    async def post(self, request: Request) -> Response:
        """`POST /diary/{key}/{version}`."""
        row = {
            "key": request.path_params["key"],
            "version": request.path_params["version"],
            "author": request.headers["x-rainer-author"],
            "comment": request.headers.get("x-rainer-comment", ""),
            "mtime_ms": time.time_ns() // 1_000_000,
            "is_empty": False,
            "payload": await request.body(),
        }
        expected = await self._in_thread(self._keep, row)
        if expected != row["version"]:
            return JSONResponse({"conflict": {"key": row["key"], "expectedVersion": expected}}, 409)
        del row["payload"]
        return JSONResponse(row)

    async def count(self, _request: Request) -> Response:
        """`GET /count`: how many commits there are."""
        return JSONResponse(await self._in_thread(self._count))

    async def _in_thread(self, call: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.threads, call, *arguments)

    def _keep(self, row: dict[str, Any]) -> int:
        """Insert the row if its version is the next one; the version that would have been right."""
        with self.engine.begin() as connection:
            expected = (connection.execute(_NEWEST, {"key": row["key"]}).scalar() or 0) + 1
            if expected == row["version"]:
                connection.execute(_INSERT, row)
        return int(expected)

    def _count(self) -> int:
        with self.engine.begin() as connection:
            return connection.execute(_COUNT).scalar() or 0


def create_app(address: str) -> Starlette:
    """The app on a database, its table made."""
    engine = open_engine(address)
    _commits.metadata.create_all(engine)
    with contextlib.ExitStack() as stack:  # the pool is filled before the first request comes
        for _ in range(_THREADS[engine.dialect.name]):
            stack.enter_context(engine.connect())
    commits = Commits(engine, ThreadPoolExecutor(_THREADS[engine.dialect.name]))
    return Starlette(
        routes=[
            Route("/diary/{key}/{version:int}", commits.post, methods=["POST"]),
            Route("/count", commits.count),
        ]
    )


def main() -> None:
    """Serve on a loopback port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    uvicorn.run(
        create_app(given.database),
        port=given.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        backlog=4096,
    )


if __name__ == "__main__":
    main()
