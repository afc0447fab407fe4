"""A worker process with a stub engine, for kill and load tests: `worker_process.py ENGINE [BROKER]`."""

import logging
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import fleet_stubs

from sonic_core.cli.fleet import run_until_stopped
from sonic_core.fleet.worker import Worker
from sonic_core.ledger.ledger import Ledger
from sonic_core.storage.profiles import load_profile
from sonic_core.storage.stores import open_stores

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(message)s")
lease = float(os.environ.get("SONIC_TEST_LEASE", "4"))
worker = Worker(
    Ledger.open(),
    open_stores(load_profile()),
    getattr(fleet_stubs, sys.argv[1]),
    engine_name="stub",
    lease_seconds=lease,
)
run_until_stopped(worker, sys.argv[2] if len(sys.argv) > 2 else None)
