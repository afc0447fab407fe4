"""Batches made ahead: none is lost, they begin where they are told to, and no process outlives a killed trainer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from training.ahead import made_ahead

ROOT = Path(__file__).resolve().parents[2]
TRAINER = """
from training.ahead import made_ahead
import time
batches = made_ahead(lambda number: number, workers=2)
batches()
print("ready", flush=True)
time.sleep(600)
"""


def test_one_worker_keeps_the_order():
    batches = made_ahead(lambda number: number * number, first=3)
    assert [batches() for _ in range(4)] == [9, 16, 25, 36]


def test_several_workers_make_every_batch_once():
    batches = made_ahead(lambda number: number, workers=3, first=5)
    made = [batches() for _ in range(20)]
    for worker in range(3):  # which may be faster than the others
        own = [number for number in made if (number - 5) % 3 == worker]
        assert own == list(range(5 + worker, 5 + worker + 3 * len(own), 3))


def test_what_a_worker_raises_is_raised_here_and_nobody_waits_for_it():
    batches = made_ahead(lambda number: 1 // (2 - number))
    assert [batches(), batches()] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        batches()


def test_the_processes_end_with_a_killed_trainer():
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    trainer = subprocess.Popen([sys.executable, "-c", TRAINER], stdout=subprocess.PIPE, env=environment)
    assert trainer.stdout is not None and trainer.stdout.readline() == b"ready\n"
    workers = psutil.Process(trainer.pid).children()
    assert len(workers) == 2
    trainer.send_signal(signal.SIGKILL)
    trainer.wait()
    ends = time.monotonic() + 60
    while time.monotonic() < ends and any(worker.is_running() for worker in workers):
        time.sleep(0.2)
    assert not any(worker.is_running() for worker in workers)
