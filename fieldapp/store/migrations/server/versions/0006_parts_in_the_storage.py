"""Parts of files are counted where they lie: the table of them was never used."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("file_parts")
