"""Since when an account is suspended."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column account.suspended."""
    with op.batch_alter_table("account") as account:
        account.add_column(sa.Column("suspended", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Drop it."""
    with op.batch_alter_table("account") as account:
        account.drop_column("suspended")
