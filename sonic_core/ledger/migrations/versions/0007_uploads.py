"""What an upload in parts was begun with."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("reservations", sa.Column("upload", sa.JSON()))


def downgrade() -> None:
    op.drop_column("reservations", "upload")
