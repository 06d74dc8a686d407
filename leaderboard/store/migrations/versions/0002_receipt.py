"""Store the receipt of a submission, so that a repeated request gets the same one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column submission.receipt."""
    with op.batch_alter_table("submission") as batch:
        batch.add_column(sa.Column("receipt", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("submission") as batch:
        batch.drop_column("receipt")
