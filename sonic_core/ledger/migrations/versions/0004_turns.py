"""Whose turn it is: priorities, and when each user was last served; API keys that have a name and an end."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
        sa.Column("served", sa.Float, nullable=False, server_default="0"),
    )
    op.add_column("jobs", sa.Column("priority", sa.Integer, nullable=False, server_default="0"))
    op.add_column("api_keys", sa.Column("name", sa.String(120)))
    op.add_column("api_keys", sa.Column("expires", sa.Float))


def downgrade() -> None:
    op.drop_column("api_keys", "expires")
    op.drop_column("api_keys", "name")
    op.drop_column("jobs", "priority")
    op.drop_table("users")
