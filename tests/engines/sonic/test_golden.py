"""Every stage, and one run from photo to frames, against golden tensors: SONIC_GOLDEN, or ../shared/golden/open."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = Path(os.environ.get("SONIC_GOLDEN", ROOT.parent / "shared" / "golden" / "open"))


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="no golden tensors: set SONIC_GOLDEN to their folder")
def test_every_stage_and_the_whole_road_match():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "check_golden.py", GOLDEN, "--cases", "0.6 s"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok  ") == 17
