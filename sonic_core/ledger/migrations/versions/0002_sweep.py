"""An index for the jobs whose leftovers have not been looked for: every sweeper asks every few seconds."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("jobs_by_sweep", "jobs", ["swept", "finished"])


def downgrade() -> None:
    op.drop_index("jobs_by_sweep", "jobs")
