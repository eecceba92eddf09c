"""The server store: names of files, and where their contents lie."""

import sqlalchemy as sa
from alembic import op

from rainer.database.types import DIGEST, PLACE, TOKEN, PathText

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INNODB = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_row_format": "DYNAMIC"}
# As in the first migration: on MySQL a server that died in the middle has left some of this.
MADE_ONCE = {"if_not_exists": True}


def upgrade() -> None:
    op.create_table(
        "store_files",
        sa.Column("name", PathText, primary_key=True),
        sa.Column("sha256", DIGEST, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("version_s", sa.BigInteger, nullable=False),
        sa.Column("is_sealed", sa.Boolean, nullable=False),
        sa.Column("recorded_ms", sa.BigInteger, nullable=False),
        **INNODB,
        **MADE_ONCE,
    )
    _create_index("store_files_contents", "store_files", "sha256")
    op.create_table(
        "store_contents",
        sa.Column("place", PLACE, primary_key=True),
        sa.Column("sha256", DIGEST, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("coding", TOKEN, nullable=False),
        sa.Column("stored_size", sa.BigInteger, nullable=False),
        sa.Column("kept_sha256", DIGEST),
        sa.Column("touched_ms", sa.BigInteger, nullable=False),
        sa.Column("is_condemned", sa.Boolean, nullable=False),
        sa.UniqueConstraint("kept_sha256", name="store_contents_kept"),
        **INNODB,
        **MADE_ONCE,
    )
    _create_index("store_contents_touched", "store_contents", "touched_ms")


def _create_index(name: str, table: str, column: str) -> None:
    indexes = sa.inspect(op.get_bind()).get_indexes(table)
    if name not in [index["name"] for index in indexes]:  # MySQL knows no CREATE INDEX IF NOT EXISTS
        op.create_index(name, table, [column])


def downgrade() -> None:
    raise RuntimeError("a journal is not downgraded: restore the copy made before the upgrade")
