"""Fixtures of the fleet tests; see fleet_fixtures.py."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "storage")]

from fleet_fixtures import *  # noqa: E402, F403
