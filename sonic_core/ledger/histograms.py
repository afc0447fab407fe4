"""Histograms of how long jobs wait and take, counted in the transaction that ends a job.

Every replica reports the same. A row counts the observations of one bucket; each scrape sums the rows to Prometheus'
cumulative counts. Rows are never deleted, so the counts only grow, whatever retention does to the jobs.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from sonic_core.ledger.database import autocommit
from sonic_core.ledger.tables import histograms, jobs

SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 3600.0, math.inf)
FACTORS = (0.1, 0.2, 0.5, 0.8, 1.0, 1.5, 2.0, 5.0, 10.0, 20.0, 50.0, math.inf)
BUCKETS = {"queue_wait_seconds": SECONDS, "stage_seconds": SECONDS, "real_time_factor": FACTORS}


@dataclass
class Histogram:
    """Cumulative counts by upper bound, in order, and the sum of all observations."""

    counts: list[tuple[float, int]] = field(default_factory=list)
    total: float = 0.0


def note_done(connection: Connection, job_id: str) -> None:
    """Counts a job that has just finished: its wait, its stages, and its processing time for each second of sound."""
    columns = (jobs.c.created, jobs.c.started, jobs.c.attempt, jobs.c.timings, jobs.c.inputs)
    job = connection.execute(select(*columns).where(jobs.c.id == job_id)).one()
    if job.attempt == 1 and job.started is not None:
        observe(connection, "queue_wait_seconds", "", job.started - job.created)
    for stage, seconds in job.timings.items():
        observe(connection, "stage_seconds", stage, seconds)
    length = job.inputs.get("audio", {}).get("seconds")
    if length and "generate" in job.timings:
        observe(connection, "real_time_factor", "", job.timings["generate"] / length)


def observe(connection: Connection, name: str, label: str, value: float) -> None:
    """Counts one observation."""
    bounds = BUCKETS[name]
    bucket = min(bisect_left(bounds, value), len(bounds) - 1)
    where = (histograms.c.name == name, histograms.c.label == label[:60], histograms.c.bucket == bucket)
    more = {"count": histograms.c.count + 1, "total": histograms.c.total + value}
    if connection.execute(update(histograms).where(*where).values(**more)).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(
                insert(histograms).values(name=name, label=label[:60], bucket=bucket, count=1, total=value)
            )
    except IntegrityError:  # another worker was quicker
        connection.execute(update(histograms).where(*where).values(**more))


def read_histograms(engine: Engine) -> dict[tuple[str, str], Histogram]:
    """(name, label) -> histogram."""
    rows: dict[tuple[str, str], dict[int, Any]] = defaultdict(dict)
    with autocommit(engine) as connection:
        for row in connection.execute(select(histograms)):
            rows[row.name, row.label][row.bucket] = row
    found = {}
    for (name, label), buckets in sorted(rows.items()):
        histogram, seen = Histogram(total=sum(row.total for row in buckets.values())), 0
        for number, bound in enumerate(BUCKETS.get(name, ())):
            seen += buckets[number].count if number in buckets else 0
            histogram.counts.append((bound, seen))
        found[name, label] = histogram
    return found
