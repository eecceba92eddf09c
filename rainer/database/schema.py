"""The tables of the journal and of whatever else keeps some, as every query sees them; migrations/ makes them.

Nothing ever updates or deletes a row of `commits`.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from rainer.database.types import DIGEST, LONG_TEXT, NAME, PAYLOAD, PLACE, REVISION, TOKEN, KeyText, PathText

metadata: Final = sa.MetaData()
_INNODB: Final[dict[str, Any]] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_row_format": "DYNAMIC"}

# One row: the lock, the counter, the chain's head, the clock. `namespaces_tag` is a new text whenever a namespace is
# made or closed, or a commit made to the system's own, whose documents are rules too: whoever reads this row knows
# whether what it remembers of them still holds.
journal: Final = sa.Table(
    "journal", metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("lineage", TOKEN, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("chain", DIGEST, nullable=False),
    sa.Column("recorded_ms", sa.BigInteger, nullable=False),
    sa.Column("namespaces_tag", TOKEN, nullable=False),
    postgresql_with={"fillfactor": 10}, **_INNODB,
)  # fmt: skip

# Every life of this journal: the first, and one more for each `rainer db adopt` after a restore.
lineages: Final = sa.Table(
    "lineages", metadata,
    sa.Column("lineage", TOKEN, primary_key=True),
    sa.Column("from_revision", sa.BigInteger, nullable=False),
    sa.Column("recorded_ms", sa.BigInteger, nullable=False),
    **_INNODB,
)  # fmt: skip

namespaces: Final = sa.Table(
    "namespaces", metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", NAME, nullable=False, unique=True),
    sa.Column("format", TOKEN, nullable=False),
    sa.Column("payload_bytes_max", sa.Integer, nullable=False),
    sa.Column("is_closed", sa.Boolean, nullable=False),
    sa.Column("recorded_ms", sa.BigInteger, nullable=False),
    **_INNODB,
)  # fmt: skip

# `changeset` is the revision at which the commit's changeset is whole: its own for a commit alone. `marks` is what the
# server says of the commit, as JSON; almost always nothing.
commits: Final = sa.Table(
    "commits", metadata,
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
    sa.Column("marks", LONG_TEXT),
    sa.UniqueConstraint("namespace_id", "key", "version", name="commits_version"),
    sa.Index("commits_feed", "namespace_id", "revision"),
    **_INNODB,
)  # fmt: skip

heads: Final = sa.Table(
    "heads", metadata,
    sa.Column("namespace_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", KeyText, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("is_empty", sa.Boolean, nullable=False),
    postgresql_with={"fillfactor": 70}, sqlite_with_rowid=False, **_INNODB,
)  # fmt: skip

# What the server store holds: a file's name, and which contents it has now.
store_files: Final = sa.Table(
    "store_files", metadata,
    sa.Column("name", PathText, primary_key=True),
    sa.Column("sha256", DIGEST, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("version_s", sa.BigInteger, nullable=False),
    sa.Column("is_sealed", sa.Boolean, nullable=False),
    sa.Column("recorded_ms", sa.BigInteger, nullable=False),
    sa.Index("store_files_contents", "sha256"),
    **_INNODB,
)  # fmt: skip

# Where contents lie. A row is written before its bytes: without `kept_sha256` it only announces them, with it, it is
# the one place of these contents. `touched_ms` is when somebody last needed it; a condemned one is nobody's any more.
store_contents: Final = sa.Table(
    "store_contents", metadata,
    sa.Column("place", PLACE, primary_key=True),
    sa.Column("sha256", DIGEST, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("coding", TOKEN, nullable=False),
    sa.Column("stored_size", sa.BigInteger, nullable=False),
    sa.Column("kept_sha256", DIGEST),
    sa.Column("touched_ms", sa.BigInteger, nullable=False),
    sa.Column("is_condemned", sa.Boolean, nullable=False),
    sa.UniqueConstraint("kept_sha256", name="store_contents_kept"),
    sa.Index("store_contents_touched", "touched_ms"),
    **_INNODB,
)  # fmt: skip

# Who may prove an identity by which text. Of the text only the SHA-256 is kept; rows are revoked, never deleted.
tokens: Final = sa.Table(
    "tokens", metadata,
    sa.Column("id", TOKEN, primary_key=True),
    sa.Column("name", LONG_TEXT, nullable=False),
    sa.Column("sha256", DIGEST, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("created_by", LONG_TEXT, nullable=False),
    sa.Column("expires_ms", sa.BigInteger),
    sa.Column("revoked_ms", sa.BigInteger),
    sa.Column("last_used_ms", sa.BigInteger),
    **_INNODB,
)  # fmt: skip

# Changesets that wait for approval. The changeset and what it was made on never change; `edits` counts what does, so
# that of two who write at once one looks again. Rows are decided, never deleted.
proposals: Final = sa.Table(
    "proposals", metadata,
    sa.Column("id", TOKEN, primary_key=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("author", LONG_TEXT, nullable=False),
    sa.Column("proposer", LONG_TEXT, nullable=False),
    sa.Column("comment", LONG_TEXT, nullable=False),
    sa.Column("state", TOKEN, nullable=False),
    sa.Column("places", LONG_TEXT, nullable=False),
    sa.Column("changeset", PAYLOAD, nullable=False),
    sa.Column("base_lineage", TOKEN, nullable=False),
    sa.Column("base_revision", sa.BigInteger, nullable=False),
    sa.Column("approvals", LONG_TEXT, nullable=False),
    sa.Column("edits", sa.Integer, nullable=False),
    sa.Column("decided_by", LONG_TEXT),
    sa.Column("decided_ms", sa.BigInteger),
    sa.Column("decision", LONG_TEXT),
    sa.Column("revision", sa.BigInteger),
    sa.Index("proposals_state", "state", "created_ms"),
    **_INNODB,
)  # fmt: skip
