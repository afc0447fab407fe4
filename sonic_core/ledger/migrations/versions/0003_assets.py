"""Assets with references, reservations, and what a job's deletion and limits need to know."""

import json
import uuid

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("name", sa.String(200)))
    op.add_column("jobs", sa.Column("digest", sa.String(64)))
    op.add_column("jobs", sa.Column("cost", sa.Float, nullable=False, server_default="0"))
    for name in ("forgotten", "inputs_gone", "outputs_gone"):
        op.add_column("jobs", sa.Column(name, sa.Float))
    op.create_table(
        "reservations",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("user", sa.String(80), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
    )
    op.create_index("reservations_by_user", "reservations", ["user"])
    assets = op.create_table(
        "assets",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("user", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("key", sa.String(1023), nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("kept", sa.Boolean, nullable=False),
        sa.Column("consent_id", sa.String(80), sa.ForeignKey("consents.id")),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("deleted", sa.Float),
    )
    op.create_index("assets_by_key", "assets", ["user", "key"], unique=True)
    op.create_index("assets_by_consent", "assets", ["consent_id"])
    op.create_index("assets_by_deletion", "assets", ["deleted"])
    uses = op.create_table(
        "asset_uses",
        sa.Column("job_id", sa.String(80), primary_key=True),
        sa.Column("asset_id", sa.String(80), primary_key=True),
    )
    op.create_index("asset_uses_by_asset", "asset_uses", ["asset_id"])
    _note_assets_of_old_jobs(assets, uses)
    _let_events_go_with_their_job()


def _note_assets_of_old_jobs(assets: sa.Table, uses: sa.Table) -> None:
    known: dict[tuple[str, str], str] = {}
    used: set[tuple[str, str]] = set()
    found = op.get_bind().execute(sa.text('SELECT id, "user", inputs, created FROM jobs')).all()
    for job_id, user, inputs, created in found:
        for kind, facts in (json.loads(inputs) if isinstance(inputs, str) else inputs).items():
            place = (user, facts["key"])
            if place not in known:
                known[place] = f"asset-{uuid.uuid4().hex}"
                values = {"user": user, "kind": kind, "key": facts["key"], "facts": facts}
                op.bulk_insert(assets, [{"id": known[place], "kept": False, "created": created, **values}])
            used.add((job_id, known[place]))
    if used:
        op.bulk_insert(uses, [{"job_id": job_id, "asset_id": asset_id} for job_id, asset_id in sorted(used)])


def _let_events_go_with_their_job() -> None:
    """The log stays append-only as long as its job exists; retention deletes the job's row first."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER events_no_delete")
        op.execute(
            "CREATE TRIGGER events_no_delete BEFORE DELETE ON events "
            "WHEN EXISTS (SELECT 1 FROM jobs WHERE jobs.id = OLD.job_id) "
            "BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END"
        )
        return
    op.execute("DROP TRIGGER events_no_change ON events")
    op.execute(
        "CREATE OR REPLACE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = OLD.job_id) THEN "
        "RETURN OLD; END IF; RAISE EXCEPTION 'the event log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE ON events "
        "FOR EACH ROW EXECUTE FUNCTION events_refuse()"
    )


def downgrade() -> None:
    for table in ("asset_uses", "assets", "reservations"):
        op.drop_table(table)
    for name in ("name", "digest", "cost", "forgotten", "inputs_gone", "outputs_gone"):
        op.drop_column("jobs", name)
