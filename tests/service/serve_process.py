"""`python -m sonic_core serve` with an engine of the tests, named in SONIC_TEST_ENGINE."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fleet"))

import fleet_stubs

from sonic_core.cli import fleet
from sonic_core.cli.main import main

fleet.make_engine = lambda args: getattr(fleet_stubs, os.environ["SONIC_TEST_ENGINE"])
sys.exit(main(["serve", *sys.argv[1:]]))
