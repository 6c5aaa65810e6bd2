"""A pull finds what came since by position: its cost follows what changed, not how much is in scope."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_stream_rows_pos", "stream_rows", ["log", "pos"], unique=False)
