"""The ledger's tables. Times are seconds since 1970; JSON columns hold plain lists and dicts.

Portable between SQLite and PostgreSQL. What the rows mean is in `ledger.py`; how the tables came to be is in
`migrations/`, and a test holds the two together.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

consents = Table(
    "consents",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("user", String(80), nullable=False),
    Column("subject", String(200), nullable=False),  # a pseudonym, no name
    Column("subject_is_user", Boolean, nullable=False),
    Column("face", Boolean, nullable=False),
    Column("voice", Boolean, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("sources", JSON, nullable=False),  # sha256 of each source file
    Column("granted", Float, nullable=False),
    Column("expires", Float),
    Column("revoked", Float),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("user", String(80), nullable=False),
    Column("batch", String(80)),
    Column("state", String(16), nullable=False),  # queued, running, done, failed, cancelled
    Column("attempt", Integer, nullable=False),  # counts up with every lease: the fencing token
    Column("max_attempts", Integer, nullable=False),
    Column("lease_owner", String(200)),
    Column("lease_expires", Float),
    Column("cancel_requested", Boolean, nullable=False),
    Column("not_before", Float, nullable=False),  # backoff
    Column("published", Float),  # when its id last went to the broker
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("finished", Float),
    Column("progress", Float, nullable=False),  # 0 to 1
    Column("stage", String(40), nullable=False),
    Column("settings", JSON, nullable=False),
    Column("inputs", JSON, nullable=False),  # {"image": {key, size, etag, crc64}, "audio": {...}}
    Column("output", JSON),  # {key, size, etag, crc64, ...}
    Column("timings", JSON, nullable=False),  # seconds per stage
    Column("error", Text),
    Column("consent_id", String(80), ForeignKey("consents.id"), nullable=False),
    Column("webhook", Text),
    Column("swept", Boolean, nullable=False),  # whether objects of other attempts have been looked for
    Column("priority", Integer, nullable=False, server_default="0"),  # among its user's own
    Column("trace", String(60)),  # the OpenTelemetry trace it belongs to
    Column("name", String(200)),  # what its owner calls it
    Column("digest", String(64)),  # of the request, to know a repeated one from another one with its key
    Column("cost", Float, nullable=False, server_default="0"),  # pixels to draw: width x height x frames
    Column("forgotten", Float),  # when its material was asked to be deleted
    Column("inputs_gone", Float),  # when its inputs were let go
    Column("outputs_gone", Float),  # when its video was deleted
    Index("jobs_by_state", "state", "not_before", "created"),
    Index("jobs_by_user", "user", "created"),
    Index("jobs_by_batch", "batch"),
    Index("jobs_by_consent", "consent_id"),
    Index("jobs_by_sweep", "swept", "finished"),
)

reservations = Table(  # places of jobs whose material is still coming in; they count for limits
    "reservations",
    metadata,
    Column("id", String(80), primary_key=True),  # of the job to be
    Column("user", String(80), nullable=False),
    Column("token", String(32), nullable=False),  # of the request that holds it
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),  # moved on while the request lives
    Column("upload", JSON),  # {kind, size, key, name} of an upload in parts
    Index("reservations_by_user", "user"),
)

assets = Table(  # photos and voices in the store
    "assets",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("user", String(80), nullable=False),
    Column("kind", String(16), nullable=False),  # image, video, audio, background
    Column("key", String(1023), nullable=False),
    Column("facts", JSON, nullable=False),  # {key, size, etag, crc64, sha256}
    Column("kept", Boolean, nullable=False),  # uploaded on its own: stays while its consent holds
    Column("consent_id", String(80), ForeignKey("consents.id")),
    Column("created", Float, nullable=False),
    Column("deleted", Float),  # nothing may use it any more; its object is being deleted
    Index("assets_by_key", "user", "key", unique=True),
    Index("assets_by_consent", "consent_id"),
    Index("assets_by_deletion", "deleted"),
)

asset_uses = Table(
    "asset_uses",
    metadata,
    Column("job_id", String(80), primary_key=True),
    Column("asset_id", String(80), primary_key=True),
    Index("asset_uses_by_asset", "asset_id"),
)

events = Table(
    "events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("job_id", String(80), nullable=False),
    Column("at", Float, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("detail", JSON, nullable=False),
    Index("events_by_job", "job_id", "id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(80), primary_key=True),  # the webhook-id: the same for every try
    Column("job_id", String(80), nullable=False),
    Column("url", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_try", Float),  # None: delivered or given up
    Column("error", Text),
    Index("deliveries_due", "next_try"),
)

users = Table(  # only those of whom there is something to note
    "users",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("served", Float, nullable=False, server_default="0"),  # when a worker last took a job of theirs
)

histograms = Table(
    "histograms",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("label", String(60), primary_key=True),  # such as the stage; "" for none
    Column("bucket", Integer, primary_key=True),  # number of the bound in histograms.py
    Column("count", BigInteger, nullable=False),
    Column("total", Float, nullable=False),  # sum of what was observed
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("engine", String(40), nullable=False),
    Column("seen", Float, nullable=False),
    Column("job_id", String(80)),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("sha256", String(64), primary_key=True),  # of the key; the key itself is shown once and not stored
    Column("user", String(80), nullable=False),
    Column("created", Float, nullable=False),
    Column("revoked", Float),
    Column("name", String(120)),
    Column("expires", Float),
)
