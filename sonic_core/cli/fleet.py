"""Commands `worker`, `serve`, `batch` and `ingest`: they put the parts together and say what is missing."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonic_core.cli.model_options import add_model_options, model_options
from sonic_core.cli.numbers import above_0, count
from sonic_core.cli.storage import needing_extra, open_ledger
from sonic_core.errors import SettingsError

if TYPE_CHECKING:
    from sonic_core.fleet.backends import Engine
    from sonic_core.fleet.loops import Loop
    from sonic_core.fleet.sweeper import Queue
    from sonic_core.ledger.ledger import Ledger
    from sonic_core.service.live_host import LiveHost
    from sonic_core.service.local import LocalDoor
    from sonic_core.storage.stores import Stores

logger = logging.getLogger(__name__)


def add_parser(subparsers: Any) -> None:
    worker = subparsers.add_parser("worker", help="take jobs from the queue or the ledger and make videos")
    _add_engine(worker)
    _add_places(worker)
    worker.add_argument("--lease", type=above_0, default=30.0, help="seconds a silent worker keeps its job (30)")
    worker.add_argument("--job-hours", type=above_0, default=6.0, help="a job that takes longer fails (%(default)s)")
    worker.set_defaults(run=lambda args: needing_extra(lambda: run_worker(args)))

    serve = subparsers.add_parser("serve", help="the HTTP service with its page")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--public-url", help="address under which browsers reach the service (for links to a folder)")
    serve.add_argument(
        "--all-in-one",
        action="store_true",
        help="with a worker in the same process; the printed address needs no key",
    )
    serve.add_argument("--new-key", metavar="USER", help="print a new API key for a user and end")
    serve.add_argument("--revoke-keys", metavar="USER", help="make a user's API keys worthless and end")
    serve.add_argument(
        "--talks", type=count, metavar="N", help="live talks at a time in this process (1 with --all-in-one, else none)"
    )
    serve.add_argument("--active-jobs", type=count, default=20, help="a user's jobs under way at a time (%(default)s)")
    serve.add_argument("--jobs-a-day", type=count, default=500, help="jobs a user may start in a day (%(default)s)")
    serve.add_argument("--queue-limit", type=count, default=1000, help="waiting jobs of all users (%(default)s)")
    serve.add_argument(
        "--gigapixels-a-day",
        type=above_0,
        default=1000.0,
        help="pixels of a user's videos (%(default)s)",
    )
    _add_engine(serve)
    _add_places(serve)
    serve.set_defaults(run=lambda args: needing_extra(lambda: run_serve(args)))

    batch = subparsers.add_parser("batch", help="many videos from a CSV file or a folder")
    batch.add_argument("source", type=Path, help="CSV with image, audio and settings as columns; or a folder of pairs")
    batch.add_argument("--output", type=Path, required=True, help="folder for the videos and report.csv")
    batch.add_argument("--queue", action="store_true", help="let workers do it instead of this process")
    batch.add_argument("--consent", required=True, help="what the people shown agreed to (kept in the ledger)")
    batch.add_argument("--user", default="local")
    _add_engine(batch)
    _add_places(batch)
    batch.set_defaults(run=lambda args: needing_extra(lambda: run_batch(args)))

    ingest = subparsers.add_parser("ingest", help="take jobs in from another system")
    ingest.add_argument("source", choices=["kafka"])
    ingest.add_argument("--brokers", required=True, help="host:port, several with commas")
    ingest.add_argument("--topic", default="sonic-jobs")
    ingest.add_argument("--group", default="sonic-studio")
    _add_places(ingest)
    ingest.set_defaults(run=lambda args: needing_extra(lambda: run_ingest(args), "fleet,kafka"))


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=["core", "comfyui"], default="core", help="make videos here, or by ComfyUI")
    add_model_options(parser, "for core: ")
    parser.add_argument("--comfyui", default="http://127.0.0.1:8188", help="address of the ComfyUI server")
    parser.add_argument("--workflow", default="fast", help="for comfyui: fast, high_quality or a file in API format")
    parser.add_argument("--sign", action="store_true", help="sign with C2PA, self-made unless a certificate is given")
    parser.add_argument("--certificate", type=Path, help="PEM chain to sign with")
    parser.add_argument("--key", type=Path, help="PEM private key of the certificate")


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ledger", help="database address (default: SONIC_LEDGER, or a SQLite file)")
    parser.add_argument("--profile", help="storage profile (default: SONIC_OSS_PROFILE)")
    parser.add_argument("--broker", help="RabbitMQ, amqp://...; left out: SONIC_BROKER, or no broker")


def stores_of(args: argparse.Namespace, base_url: str | None = None) -> "Stores":
    """The stores of the profile that was named; `base_url` is where links to a folder store lead."""
    from sonic_core.storage.profiles import load_profile
    from sonic_core.storage.stores import open_stores

    return open_stores(load_profile(args.profile), base_url)


def run_worker(args: argparse.Namespace) -> int:
    ledger, stores = open_ledger(args.ledger), stores_of(args)
    worker = make_worker(args, ledger, stores, lease_seconds=args.lease, job_seconds=args.job_hours * 3600)
    return run_until_stopped(worker, broker_address(args))


def run_until_stopped(worker: Any, broker: str | None) -> int:
    """Runs a worker with its sweeper: from the broker's queue, or from the ledger where there is none."""
    from sonic_core.fleet.loops import Loop

    stop = threading.Event()
    queue = open_queue(broker)
    start_loops(worker.ledger, worker.stores, queue, stop)
    if broker:
        from sonic_core.fleet.broker import serve_queue

        Loop("alive", worker.say_alive, stop, 20.0).start()
        serve_queue(queue.app, worker.run_announced, worker.name)  # type: ignore[union-attr]
    else:
        _stop_on_signals(stop, worker.hand_back)
        worker.run(stop)
    stop.set()
    return 0


def run_serve(args: argparse.Namespace) -> int:
    from sonic_core.ledger.reservations import Limits
    from sonic_core.service.api_keys import create_key, revoke_keys
    from sonic_core.service.app import Service, make_app
    from sonic_core.service.server import listen, run_server

    ledger = open_ledger(args.ledger)
    if args.new_key:
        sys.stdout.write(create_key(ledger, args.new_key) + "\n")
        return 0
    if args.revoke_keys:
        sys.stdout.write(f"{revoke_keys(ledger, args.revoke_keys)} keys revoked.\n")
        return 0
    socket = listen(args.host, args.port)  # first, so that a port in use is said before anything starts
    port = socket.getsockname()[1]
    base_url = args.public_url or f"http://{args.host}:{port}"
    stores = stores_of(args, base_url)
    broker = None if args.all_in_one else broker_address(args)
    queue = open_queue(broker)
    worker = make_worker(args, ledger, stores) if args.all_in_one else None
    stop = threading.Event()
    loops = start_loops(ledger, stores, queue, stop)
    if worker is not None:
        loops.append(worker.start(stop))
    door = _local_door(args.host, port) if args.all_in_one else None
    limits = Limits(args.active_jobs, args.jobs_a_day, args.queue_limit, args.gigapixels_a_day)
    app = make_app(Service(ledger, stores, queue, limits, door, loops, stop, live=live_host(args)))
    key = "it asks for an API key (serve --new-key USER)"
    sys.stderr.write(f"Sonic Studio: {door.address(base_url) if door else f'{base_url} ({key})'}\n")
    sys.stderr.flush()

    def end() -> None:
        stop.set()
        if worker is not None:
            worker.hand_back()

    run_server(app, socket, end)
    return 0


def live_host(args: argparse.Namespace) -> "LiveHost | None":
    """What live talks share; None where there are to be none."""
    from sonic_core.service.live_host import LiveHost, ice_servers_from
    from sonic_core.service.slots import Slots

    def load() -> Any:
        from sonic_core.pipeline import SonicPipeline

        return SonicPipeline.from_pretrained("lite", device=args.device)

    talks = args.talks if args.talks is not None else int(args.all_in_one)
    servers = ice_servers_from(os.environ.get("SONIC_ICE_SERVERS", ""))
    return LiveHost(load, Slots("live talks", 1, talks), ice_servers=servers) if talks > 0 else None


def _local_door(host: str, port: int) -> "LocalDoor | None":
    """The access without a key, None if others than this machine can reach the service."""
    from sonic_core.service.local import LocalDoor, is_loopback

    return LocalDoor.make(port) if is_loopback(host) else None


def run_batch(args: argparse.Namespace) -> int:
    from sonic_core.fleet.batch import Batch

    ledger, stores = open_ledger(args.ledger), stores_of(args)
    batch = Batch(ledger, stores, args.source, args.output, args.user, args.consent)
    if args.queue:
        return batch.run_queued(open_queue(broker_address(args)))
    return batch.run_here(make_engine(args))


def run_ingest(args: argparse.Namespace) -> int:
    from sonic_core.fleet.kafka import consume

    ledger, stores = open_ledger(args.ledger), stores_of(args)
    stop = threading.Event()
    _stop_on_signals(stop, lambda: None)
    consume(ledger, stores, open_queue(broker_address(args)), args.brokers, args.topic, args.group, stop)
    return 0


def make_worker(args: argparse.Namespace, ledger: "Ledger", stores: "Stores", **limits: Any) -> Any:
    from sonic_core.comfyui.backend import answers
    from sonic_core.fleet.worker import Worker

    def ready() -> bool:
        return args.engine == "core" or answers(args.comfyui)

    return Worker(ledger, stores, make_engine(args), engine_name=args.engine, ready=ready, **limits)


def make_engine(args: argparse.Namespace) -> "Engine":
    """What makes the videos. Raises SonicError for a model or a device that is not there, before a job is taken."""
    from sonic_core.comfyui.backend import comfyui_engine
    from sonic_core.engines import check_model
    from sonic_core.fleet.backends import core_engine, signing

    if args.engine == "comfyui":
        engine = comfyui_engine(args.comfyui, args.workflow)
    else:
        check_model(args.model)
        if args.device is not None:
            from sonic_core.device import device_of  # imports torch, which otherwise loads with the first job

            device_of(args.device)
        engine = core_engine(args.model, args.device, **model_options(args))
    if not (args.sign or args.certificate or args.key):
        return engine
    from sonic_core.disclosure.c2pa import load_credentials, self_made_credentials

    if (args.certificate is None) != (args.key is None):
        raise SettingsError("A certificate and its key go together; give --certificate and --key, or neither.")
    own = args.certificate is not None
    return signing(engine, load_credentials(args.certificate, args.key) if own else self_made_credentials())


def broker_address(args: argparse.Namespace) -> str | None:
    return args.broker or os.environ.get("SONIC_BROKER") or None


def open_queue(broker: str | None) -> "Queue | None":
    if not broker:
        return None
    from sonic_core.fleet.broker import CeleryQueue, make_app

    return CeleryQueue(make_app(broker))


def start_loops(ledger: "Ledger", stores: "Stores", queue: "Queue | None", stop: threading.Event) -> "list[Loop]":
    """Starts sweeping, and sending webhooks where they can be signed."""
    from sonic_core.fleet.loops import Loop
    from sonic_core.fleet.sweeper import SWEEP_SECONDS, sweep
    from sonic_core.fleet.webhooks import POLL_SECONDS, Deliveries, signing_secret
    from sonic_core.ledger.forgetting import Retention

    retention = Retention.from_environment()
    loops = [Loop("the sweeper", lambda: sweep(ledger, stores, queue, retention=retention), stop, SWEEP_SECONDS)]
    if os.environ.get("SONIC_WEBHOOK_SECRET"):  # who cannot sign must not take messages away from those who can
        signing_secret()
        loops.append(Loop("the sender of webhooks", Deliveries(ledger).round, stop, POLL_SECONDS))
    return [loop.start() for loop in loops]


def _stop_on_signals(stop: threading.Event, hand_back: Callable[[], None]) -> None:
    """SIGTERM hands the work under way back at once; a first SIGINT lets it end, a second one hands it back."""

    def handle(number: int, _: Any) -> None:
        again = stop.is_set()
        stop.set()
        if number == signal.SIGTERM or again:
            threading.Thread(target=hand_back, name="hand back", daemon=True).start()
        else:
            sys.stderr.write("Stopping when the work under way is done; once more to hand it back and stop now.\n")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
