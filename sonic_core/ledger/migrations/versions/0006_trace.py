"""The trace a job belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("trace", sa.String(60)))


def downgrade() -> None:
    op.drop_column("jobs", "trace")
