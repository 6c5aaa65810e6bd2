"""Bytes in quarantine belong to a log, and a person's decision on them is kept beside them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE quarantine_before AS SELECT * FROM quarantine")
    op.drop_table("quarantine")
    op.create_table(
        "quarantine",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("epoch", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("log", sa.String(), nullable=False),
        sa.Column("decided", sa.String(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_quarantine_log", "quarantine", ["log"])
    op.execute(
        "INSERT INTO quarantine "
        "SELECT q.id, q.device, q.epoch, q.seq, q.reason, q.raw, q.received_at, coalesce(e.log, ''), '', NULL "
        "FROM quarantine_before q LEFT JOIN device_epochs e ON e.epoch = q.epoch"
    )
    op.drop_table("quarantine_before")
