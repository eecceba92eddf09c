"""Tokens: who may prove an identity by which text, of which only the SHA-256 is kept."""

import sqlalchemy as sa
from alembic import op

from rainer.database.types import DIGEST, LONG_TEXT, TOKEN

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INNODB = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_row_format": "DYNAMIC"}
# As in the first migration: on MySQL a server that died in the middle has left some of this.
MADE_ONCE = {"if_not_exists": True}


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", TOKEN, primary_key=True),
        sa.Column("name", LONG_TEXT, nullable=False),
        sa.Column("sha256", DIGEST, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("created_by", LONG_TEXT, nullable=False),
        sa.Column("expires_ms", sa.BigInteger),
        sa.Column("revoked_ms", sa.BigInteger),
        sa.Column("last_used_ms", sa.BigInteger),
        **INNODB,
        **MADE_ONCE,
    )


def downgrade() -> None:
    raise RuntimeError("a journal is not downgraded: restore the copy made before the upgrade")
