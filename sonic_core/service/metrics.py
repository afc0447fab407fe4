"""The ledger's state in Prometheus' text format. Counts come from the ledger, so every replica reports the same."""

import math

from sqlalchemy import func, select

from sonic_core.ledger.database import autocommit
from sonic_core.ledger.histograms import read_histograms
from sonic_core.ledger.ledger import Ledger
from sonic_core.ledger.tables import deliveries, jobs, reservations

LABELS = {"stage_seconds": "stage"}


def render(ledger: Ledger) -> str:
    """Gauges of now (jobs by state, workers, age of the oldest waiting job) and histograms of all jobs done."""
    return "\n".join([*_gauges(ledger), *_histograms(ledger)]) + "\n"


def _gauges(ledger: Ledger) -> list[str]:
    workers = ledger.live_workers()
    with autocommit(ledger.engine) as connection:
        oldest = connection.execute(select(func.min(jobs.c.not_before)).where(jobs.c.state == "queued")).scalar()
        undelivered = connection.execute(select(func.count()).where(deliveries.c.next_try.is_not(None))).scalar_one()
        uploads = connection.execute(select(func.count()).select_from(reservations)).scalar_one()
    lines = ["# TYPE sonic_jobs gauge"]
    lines += [f'sonic_jobs{{state="{state}"}} {count}' for state, count in ledger.counts().items()]
    waited = max(0.0, ledger.clock() - oldest) if oldest is not None else 0.0
    for name, value in {
        "sonic_workers": len(workers),
        "sonic_workers_busy": sum(worker["job_id"] is not None for worker in workers),
        "sonic_queue_oldest_seconds": round(waited, 3),
        "sonic_uploads": uploads,
        "sonic_webhooks_waiting": undelivered,
    }.items():
        lines += [f"# TYPE {name} gauge", f"{name} {value}"]
    return lines


def _histograms(ledger: Ledger) -> list[str]:
    lines, typed = [], set()
    for (name, value), histogram in read_histograms(ledger.engine).items():
        metric = f"sonic_{name}"
        if metric not in typed:
            typed.add(metric)
            lines.append(f"# TYPE {metric} histogram")
        label = f'{LABELS[name]}="{_escaped(value)}",' if name in LABELS else ""
        for bound, count in histogram.counts:
            shown = "+Inf" if math.isinf(bound) else f"{bound:g}"
            lines.append(f'{metric}_bucket{{{label}le="{shown}"}} {count}')
        only = f"{{{label[:-1]}}}" if label else ""
        lines += [f"{metric}_sum{only} {histogram.total:.3f}", f"{metric}_count{only} {histogram.counts[-1][1]}"]
    return lines


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
