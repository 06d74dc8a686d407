"""Challenges: commitments to code and weights, and the fresh episodes drawn for them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table challenge."""
    op.create_table(
        "challenge",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("submission_id", sa.Text(), nullable=False),
        sa.Column("commitment", sa.Text(), nullable=False),
        sa.Column("tasks", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("committed", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("episodes", sa.Text(), nullable=True),
        sa.Column("answered", sa.DateTime(timezone=True), nullable=True),
        sa.Column("predictions", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name=op.f("fk_challenge_submission_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenge")),
        sa.UniqueConstraint("predictions", name=op.f("uq_challenge_predictions")),
    )
    with op.batch_alter_table("challenge") as batch:
        batch.create_index(batch.f("ix_challenge_submission_id"), ["submission_id"], unique=False)


def downgrade() -> None:
    """Drop the table."""
    with op.batch_alter_table("challenge") as batch:
        batch.drop_index(batch.f("ix_challenge_submission_id"))
    op.drop_table("challenge")
