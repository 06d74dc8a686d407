"""Who raised a dispute; the answers that near copies are found by."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns flag.account_id and score.answers."""
    with op.batch_alter_table("flag") as flag:
        flag.add_column(sa.Column("account_id", sa.Integer(), nullable=True))
        flag.create_foreign_key("fk_flag_account_id", "account", ["account_id"], ["id"])
    with op.batch_alter_table("score") as score:
        score.add_column(sa.Column("answers", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Drop the columns."""
    with op.batch_alter_table("score") as score:
        score.drop_column("answers")
    with op.batch_alter_table("flag") as flag:
        flag.drop_constraint("fk_flag_account_id", type_="foreignkey")
        flag.drop_column("account_id")
