"""Which device is to send a file once more: it hears of it at every pull. Files that are under way now are asked of every device
that recorded something in their job: one that has none of it passes it over."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "awaited_files",
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("device", "sha256"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_awaited_files_sha256", "awaited_files", ["sha256"], unique=False)
    op.execute(
        "INSERT INTO awaited_files (device, sha256) SELECT DISTINCT e.device, f.sha256 "
        "FROM files f JOIN entries e ON e.stream = f.job WHERE f.state = 'wanted'"
    )
