"""Marks: what the server itself says of a commit."""

import sqlalchemy as sa
from alembic import op

from rainer.database.types import LONG_TEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns = [column["name"] for column in sa.inspect(op.get_bind()).get_columns("commits")]
    if "marks" not in columns:  # on MySQL a server that died in the middle has left it
        op.add_column("commits", sa.Column("marks", LONG_TEXT))


def downgrade() -> None:
    raise RuntimeError("a journal is not downgraded: restore the copy made before the upgrade")
