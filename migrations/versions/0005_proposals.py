"""Proposals: changesets that wait until somebody else approves of them."""

import sqlalchemy as sa
from alembic import op

from rainer.database.types import LONG_TEXT, PAYLOAD, TOKEN

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INNODB = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_row_format": "DYNAMIC"}
# As in the first migration: on MySQL a server that died in the middle has left some of this.
MADE_ONCE = {"if_not_exists": True}


def upgrade() -> None:
    op.create_table(
        "proposals",
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
        **INNODB,
        **MADE_ONCE,
    )


def downgrade() -> None:
    raise RuntimeError("a journal is not downgraded: restore the copy made before the upgrade")
