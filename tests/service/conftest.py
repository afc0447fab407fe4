"""Fixtures of the service tests; see service_fixtures.py."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("fastapi")

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS / "service"), str(_TESTS / "fleet"), str(_TESTS / "storage")]

from service_fixtures import *  # noqa: E402, F403
