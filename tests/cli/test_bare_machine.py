"""The command line on a machine where a library is missing or broken: --help and doctor work, quickly, and say it."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "cv2", "av", "numpy", "transformers")
# A finder in front of all others: the module is absent (None), or its import raises.
HIDE = """
import sys
from importlib.abc import MetaPathFinder

class Hidden(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {name!r}:
            raise ModuleNotFoundError("No module named {name}", name={name!r})

sys.meta_path.insert(0, Hidden())
sys.argv[0] = "sonic_core"
from sonic_core.cli.main import main
sys.exit(main())
"""
LIMIT = 0.3  # seconds of processor time


def run(*words: str, path: Path | None = None) -> tuple[subprocess.CompletedProcess[str], float]:
    """A Python process with these arguments, and the processor time it took."""
    folders = [str(folder) for folder in (path, ROOT) if folder is not None]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "PYTHONDONTWRITEBYTECODE": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_importing_the_command_line_imports_nothing_heavy():
    code = "import sys, sonic_core.cli.main as m; m.build_parser(); print(*sys.modules)"
    done, _ = run("-c", code)
    assert not set(HEAVY) & set(done.stdout.split()), done.stderr


@pytest.mark.parametrize("command", ["--help", "doctor"])
def test_quick_commands_are_quick(command):
    run("-m", "sonic_core", command)  # compiles what was never run
    seconds = min(run("-m", "sonic_core", command)[1] for _ in range(3))
    assert seconds < LIMIT


@pytest.mark.parametrize("name", HEAVY)
@pytest.mark.parametrize("how", ["absent", "import error", "system error"])
def test_help_and_doctor_without_a_library(tmp_path, name, how):
    if how == "absent":
        words: list[str] = ["-c", HIDE.format(name=name)]
    else:
        raising = "raise ImportError('cannot open shared object')" if how == "import error" else "raise OSError('bad')"
        (tmp_path / f"{name}.py").write_text(raising)
        words = ["-m", "sonic_core"]
    done, _ = run(*words, "--help", path=tmp_path)
    assert done.returncode == 0 and "generate" in done.stdout
    done, _ = run(*words, "doctor", "--json", path=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    findings = {finding["what"]: finding for finding in json.loads(done.stdout)}
    hidden = findings["opencv" if name == "cv2" else name]
    assert not hidden["ok"] and "pip install" in hidden["detail"]
    others = {"torch", "opencv", "numpy", "transformers"} - {"opencv" if name == "cv2" else name}
    assert all(findings[other]["ok"] for other in others)


def test_a_command_that_needs_a_missing_library_says_so(tmp_path):
    (tmp_path / "av.py").write_text("raise ImportError('libav is not there')")
    done, _ = run("-m", "sonic_core", "inspect", str(tmp_path / "v.mp4"), path=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ") and "doctor" in done.stderr and done.stderr.count("\n") == 1


def test_doctor_thorough_imports_every_package(tmp_path):
    package = tmp_path / "soxr"
    package.mkdir()
    (package / "__init__.py").write_text("")
    done, _ = run(
        "-c", "from sonic_core.cli.doctor import _import_trouble as t; print(t('soxr'), t('nowhere'))", path=tmp_path
    )
    assert done.stdout.startswith("None does not import (ModuleNotFoundError")


def test_loading_lite_imports_no_more_than_it_needs():
    """PyTorch's compiler and scipy take more processor time to import than the sample's speech takes to draw."""
    code = "import sys, sonic_core; sonic_core.SonicPipeline.from_pretrained('lite'); print(*sys.modules)"
    done, _ = run("-c", code)
    loaded = set(done.stdout.split())
    assert {"torch", "sonic_core.engines.lite.renderer"} <= loaded, done.stderr
    assert not {"torch._dynamo", "scipy", "transformers"} & loaded
