"""The ledger's state in Prometheus' text format. Counts come from the ledger, so every replica says the same."""

from sqlalchemy import func, select

from sonic_core.ledger.database import autocommit
from sonic_core.ledger.ledger import Ledger
from sonic_core.ledger.tables import deliveries, jobs


def render(ledger: Ledger) -> str:
    """Gauges: jobs by state, live and busy workers, age of the oldest waiting job, webhooks that wait, durations."""
    workers = ledger.live_workers()
    with autocommit(ledger.engine) as connection:
        oldest = connection.execute(select(func.min(jobs.c.not_before)).where(jobs.c.state == "queued")).scalar()
        undelivered = connection.execute(select(func.count()).where(deliveries.c.next_try.is_not(None))).scalar_one()
        recent = select(func.count(), func.sum(jobs.c.finished - jobs.c.started), func.sum(jobs.c.attempt)).where(
            jobs.c.state == "done"
        )
        done, seconds, attempts = connection.execute(recent).one()
    lines = ["# TYPE sonic_jobs gauge"]
    lines += [f'sonic_jobs{{state="{state}"}} {count}' for state, count in ledger.counts().items()]
    waited = max(0.0, ledger.clock() - oldest) if oldest is not None else 0.0
    for name, value in {
        "sonic_workers": len(workers),
        "sonic_workers_busy": sum(worker["job_id"] is not None for worker in workers),
        "sonic_queue_oldest_seconds": round(waited, 3),
        "sonic_webhooks_waiting": undelivered,
        "sonic_done_seconds_sum": round(seconds or 0.0, 3),
        "sonic_done_seconds_count": done,
        "sonic_done_attempts_sum": attempts or 0,
    }.items():
        lines += [f"# TYPE {name} gauge", f"{name} {value}"]
    return "\n".join(lines) + "\n"
