"""Commands `storage init|check` and `jobs list|show|cancel|retry|redeliver`: arguments in, sentences or JSON out."""

import argparse
import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sonic_core.cli.numbers import count
from sonic_core.errors import MissingExtraError
from sonic_core.ledger.jobs import STATES

if TYPE_CHECKING:
    from sonic_core.ledger.ledger import Job, Ledger

T = TypeVar("T")


def add_parser(subparsers: Any) -> None:
    storage = subparsers.add_parser("storage", help="set up or check the buckets of a storage profile")
    storage.add_argument("action", choices=["init", "check"])
    storage.add_argument("--profile", help="name in the storage configuration (default: SONIC_OSS_PROFILE)")
    storage.set_defaults(run=run_storage)

    jobs = subparsers.add_parser("jobs", help="list, show, cancel or retry jobs of the ledger")
    actions = jobs.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="newest first")
    listing.add_argument("--state", choices=STATES)
    listing.add_argument("--user")
    listing.add_argument("--batch")
    listing.add_argument("--limit", type=count, default=50)
    for name, text in (
        ("show", "a job with its events"),
        ("cancel", "stop a job"),
        ("retry", "queue a failed or cancelled job again"),
        ("redeliver", "send a job's webhooks once more"),
    ):
        actions.add_parser(name, help=text).add_argument("id")
    for parser in actions.choices.values():
        parser.add_argument("--ledger", help="database address (default: SONIC_LEDGER, or a SQLite file)")
        parser.add_argument("--json", action="store_true")
    jobs.set_defaults(run=run_jobs)


def run_storage(args: argparse.Namespace) -> int:
    from sonic_core.storage.profiles import load_profile
    from sonic_core.storage.stores import open_stores

    profile = load_profile(args.profile)
    stores = open_stores(profile)
    if profile.kind == "folder":
        from pathlib import Path

        folder = Path(profile.folder).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        sys.stdout.write(f"The profile {profile.name} is the folder {folder}; it needs no rules.\n")
        return 0
    if profile.kind == "s3":
        sys.stdout.write(f"The profile {profile.name} is S3; set its bucket's rules with your provider's tools.\n")
        return 0
    from sonic_core.storage import rules
    from sonic_core.storage.oss import OssStore

    buckets = {s.bucket.bucket_name: s for s in (stores.inputs, stores.outputs) if isinstance(s, OssStore)}
    work = rules.apply if args.action == "init" else rules.differences
    lines = [line for store in buckets.values() for line in work(store)]
    sys.stdout.write("".join(f"{line}\n" for line in lines) or "All rules are as recommended.\n")
    return 1 if args.action == "check" and lines else 0


def run_jobs(args: argparse.Namespace) -> int:
    ledger = needing_extra(lambda: open_ledger(args.ledger))
    if args.action == "list":
        where = {name: getattr(args, name) for name in ("state", "user", "batch") if getattr(args, name)}
        found = ledger.find_all(limit=args.limit, **where)
        if args.json:
            sys.stdout.write(json.dumps([vars(job) for job in found]) + "\n")
        else:
            sys.stdout.write("".join(_line(job) for job in found))
        return 0
    if args.action == "cancel":
        ledger.cancel(args.id)
    elif args.action == "retry":
        ledger.retry(args.id)
    elif args.action == "redeliver":
        from sonic_core.fleet.webhooks import redeliver

        due = redeliver(ledger, ledger.get(args.id).id)
        sys.stdout.write(f"{due} webhooks of job {args.id} are due; a service or a worker sends them.\n")
        return 0
    job = ledger.get(args.id)
    if args.json:
        sys.stdout.write(json.dumps({**vars(job), "events": ledger.events(job.id)}) + "\n")
        return 0
    sys.stdout.write(_line(job))
    if args.action == "show":
        for name in ("settings", "inputs", "output", "timings", "error", "consent_id"):
            sys.stdout.write(f"  {name}: {json.dumps(getattr(job, name), ensure_ascii=False)}\n")
        for event in ledger.events(job.id):
            detail = json.dumps(event["detail"], ensure_ascii=False)
            sys.stdout.write(f"  {_time(event['at'])} attempt {event['attempt']}: {event['kind']} {detail}\n")
    return 0


def open_ledger(url: str | None) -> "Ledger":
    from sonic_core.ledger.ledger import Ledger

    return Ledger.open(url)


def needing_extra(work: Callable[[], T], extra: str = "fleet") -> T:
    """Runs `work`; a package missing in it becomes one sentence that names the extra."""
    try:
        return work()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sonic_core"):
            raise
        raise MissingExtraError(f"This needs {error.name}: pip install 'sonic-studio[{extra}]'.") from None


def _line(job: "Job") -> str:
    note = f"{job.progress:.0%} {job.stage}" if job.state == "running" else (job.error or "")
    return f"{job.id}  {job.state:<9}  attempt {job.attempt}  {_time(job.created)}  {job.user}  {note}\n"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")
