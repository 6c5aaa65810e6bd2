"""Lists of jobs are ordered from an index alone: beside its view a row takes a page or more of the database."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_jobs_assignee", table_name="jobs")
    op.drop_index("ix_jobs_due", table_name="jobs")
    op.create_index("ix_jobs_assignee", "jobs", ["assignee", "status", "due", "window_start", "number", "stream"], unique=False)
    op.create_index("ix_jobs_due", "jobs", ["due", "status"], unique=False)
    op.create_index("ix_jobs_customer", "jobs", ["customer", "steps_done"], unique=False)
    op.create_index("ix_jobs_status", "jobs", ["status"], unique=False)
