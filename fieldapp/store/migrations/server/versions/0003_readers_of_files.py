"""A file is read by whoever reads any of the entries that name it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "file_streams",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "stream"),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO file_streams (sha256, stream) SELECT sha256, job FROM files WHERE job <> ''")
