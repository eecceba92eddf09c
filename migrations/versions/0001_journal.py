"""The journal: one row of state, namespaces, commits, heads."""

import secrets
import time
import uuid

import sqlalchemy as sa
from alembic import op

from rainer.database.types import DIGEST, LONG_TEXT, NAME, PAYLOAD, REVISION, TOKEN, KeyText

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INNODB = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_row_format": "DYNAMIC"}
# On MySQL tables are no part of a transaction: a server that died while it made them has left some, all of them empty,
# for the rows come last, together with the note that this migration is done.
MADE_ONCE = {"if_not_exists": True}


def upgrade() -> None:
    journal = op.create_table(
        "journal",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("lineage", TOKEN, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("chain", DIGEST, nullable=False),
        sa.Column("recorded_ms", sa.BigInteger, nullable=False),
        sa.Column("namespaces_tag", TOKEN, nullable=False),
        postgresql_with={"fillfactor": 10},
        **INNODB,
        **MADE_ONCE,
    )
    lineages = op.create_table(
        "lineages",
        sa.Column("lineage", TOKEN, primary_key=True),
        sa.Column("from_revision", sa.BigInteger, nullable=False),
        sa.Column("recorded_ms", sa.BigInteger, nullable=False),
        **INNODB,
        **MADE_ONCE,
    )
    namespaces = op.create_table(
        "namespaces",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", NAME, nullable=False, unique=True),
        sa.Column("format", TOKEN, nullable=False),
        sa.Column("payload_bytes_max", sa.Integer, nullable=False),
        sa.Column("is_closed", sa.Boolean, nullable=False),
        sa.Column("recorded_ms", sa.BigInteger, nullable=False),
        **INNODB,
        **MADE_ONCE,
    )
    _create_commits()
    _create_heads()
    _fill(journal, lineages, namespaces)


def _create_commits() -> None:
    op.create_table(
        "commits",
        sa.Column("revision", REVISION, primary_key=True, autoincrement=False),
        sa.Column("namespace_id", sa.Integer, nullable=False),
        sa.Column("key", KeyText, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("author", LONG_TEXT, nullable=False),
        sa.Column("comment", LONG_TEXT, nullable=False),
        sa.Column("mtime_ms", sa.BigInteger, nullable=False),
        sa.Column("recorded_ms", sa.BigInteger, nullable=False),
        sa.Column("is_empty", sa.Boolean, nullable=False),
        sa.Column("payload", PAYLOAD),
        sa.Column("payload_sha256", DIGEST),
        sa.Column("commit_id", TOKEN),
        sa.Column("changeset", sa.BigInteger, nullable=False),
        sa.Column("hash", DIGEST, nullable=False),
        sa.UniqueConstraint("namespace_id", "key", "version", name="commits_version"),
        **INNODB,
        **MADE_ONCE,
    )
    indexes = sa.inspect(op.get_bind()).get_indexes("commits")
    if "commits_feed" not in [index["name"] for index in indexes]:  # MySQL knows no CREATE INDEX IF NOT EXISTS
        op.create_index("commits_feed", "commits", ["namespace_id", "revision"])


def _create_heads() -> None:
    op.create_table(
        "heads",
        sa.Column("namespace_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", KeyText, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("is_empty", sa.Boolean, nullable=False),
        postgresql_with={"fillfactor": 70},
        sqlite_with_rowid=False,
        **INNODB,
        **MADE_ONCE,
    )


def _fill(journal: sa.Table, lineages: sa.Table, namespaces: sa.Table) -> None:
    lineage, now = str(uuid.uuid4()), time.time_ns() // 1_000_000
    start = {"id": 1, "lineage": lineage, "revision": 0, "chain": bytes(32), "recorded_ms": now}
    op.bulk_insert(journal, [start | {"namespaces_tag": secrets.token_hex(8)}])
    op.bulk_insert(lineages, [{"lineage": lineage, "from_revision": 0, "recorded_ms": now}])
    diary = {"id": 1, "name": "diary", "format": "any", "payload_bytes_max": 1_000_000, "is_closed": False}
    op.bulk_insert(namespaces, [diary | {"recorded_ms": now}])


def downgrade() -> None:
    raise RuntimeError("a journal is not downgraded: restore the copy made before the upgrade")
