"""The command `doctor`: what this machine has, what is missing, and what to do about it.

It must work on a machine where something is broken, and answer at once. So a package is not imported but looked at:
whether it is installed, whether Python would find that installation and no other file of its name, whether its native
library loads. `--thorough` imports every package, each in a process of its own, which takes seconds.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import subprocess
import sys
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# What is installed -> what is imported.
REQUIRED = {
    "torch": "torch",
    "transformers": "transformers",
    "diffusers": "diffusers",
    "numpy": "numpy",
    "av": "av",
    "safetensors": "safetensors",
    "pillow": "PIL",
    "soxr": "soxr",
    "scipy": "scipy",
    "tqdm": "tqdm",
}
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
EXTRAS = {
    "storage": {"oss2": "oss2", "tenacity": "tenacity"},
    "fleet": {
        "sqlalchemy": "sqlalchemy",
        "alembic": "alembic",
        "celery": "celery",
        "fastapi": "fastapi",
        "uvicorn": "uvicorn",
        "httpx": "httpx",
        "websockets": "websockets",
        "python-multipart": "python_multipart",
        "psycopg": "psycopg",
    },
    "kafka": {"confluent-kafka": "confluent_kafka"},
    "provenance": {"c2pa-python": "c2pa"},
    "webrtc": {"aiortc": "aiortc"},
}
# Fails to load exactly where a CUDA library that this torch was built for is missing; loads in no time where not.
TORCH_LIBRARIES = ("libtorch_global_deps.so", "libtorch_global_deps.dylib")
WEIGHTS_FOLDERS = ("engines/lite/weights", "face/weights")
IMPORT_SECONDS = 120


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("doctor", help="say what this machine has and what is missing")
    parser.add_argument("--thorough", action="store_true", help="import every package as well, which takes seconds")
    parser.add_argument("--json", action="store_true", help="print the findings as one line of JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    findings = examine(args.thorough)
    if args.json:
        sys.stdout.write(json.dumps(findings) + "\n")
    else:
        width = max(len(finding["what"]) for finding in findings)
        for finding in findings:
            mark = "ok     " if finding["ok"] else "MISSING" if finding["needed"] else "absent "
            sys.stdout.write(f"{mark}  {finding['what']:<{width}}  {finding['detail']}\n")
    return 0 if all(finding["ok"] for finding in findings if finding["needed"]) else 2


def examine(thorough: bool = False) -> list[dict[str, Any]]:
    """One finding a row: what, whether it is there, whether it is needed, and a detail or a remedy."""
    findings = [
        _finding("python", sys.version_info >= (3, 10), f"{platform.python_version()} on {platform.platform()}"),
        _finding("processors", True, f"{os.cpu_count()} cores"),
    ]
    findings += [_package(name, module, thorough) for name, module in REQUIRED.items()]
    findings.append(_opencv(thorough))
    findings.append(_accelerator(thorough))
    findings += [_codecs(), _lite_weights()]
    for extra, packages in EXTRAS.items():
        troubles = [name for name, module in packages.items() if _trouble(name, module) is not None]
        detail = f"pip install '.[{extra}]' (lacks {', '.join(troubles)})" if troubles else "installed"
        findings.append(_finding(f"extra {extra}", not troubles, detail, needed=False))
    return findings


def _finding(what: str, ok: bool, detail: str, needed: bool = True) -> dict[str, Any]:
    return {"what": what, "ok": ok, "needed": needed, "detail": detail}


def _package(name: str, module: str, thorough: bool) -> dict[str, Any]:
    trouble = _trouble(name, module) or (_import_trouble(module) if thorough else None)
    return _finding(name, trouble is None, trouble or _version(name) or "installed")


def _opencv(thorough: bool) -> dict[str, Any]:
    installed = [name for name in OPENCV if _version(name) is not None]
    name = installed[0] if installed else "opencv-python-headless"
    trouble = _trouble(name, "cv2") or (_import_trouble("cv2") if thorough else None)
    return _finding("opencv", trouble is None, trouble or ", ".join(f"{name} {_version(name)}" for name in installed))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _trouble(name: str, module: str) -> str | None:
    """What keeps a package from being used, as a remedy; None when nothing is seen without importing it.

    A module that does not lie where its package was installed is imported after all: a file of the same name in the
    folder at hand, or a broken copy, is found in this way and costs nothing on a machine in order.
    """
    try:
        spec = find_spec(module)
    except Exception as error:  # a broken package must not break the doctor
        return _broken(name, error)
    if spec is None:
        return f"not installed; pip install {name}"
    if _lies_where_installed(name, spec.origin):
        return _library_trouble(Path(str(spec.origin)).parent) if name == "torch" else None
    try:
        import_module(module)
    except BaseException as error:  # also SystemExit: some packages end the program
        return _broken(name, error)
    return None


def _broken(name: str, error: BaseException) -> str:
    said = " ".join(str(error).split())[:200]
    return f"does not import ({type(error).__name__}: {said}); pip install {name} --force-reinstall"


def _lies_where_installed(name: str, origin: str | None) -> bool:
    """Whether a module's file belongs to the installed package of that name."""
    if origin is None:
        return False
    try:
        root = Path(str(metadata.distribution(name).locate_file(""))).resolve()
    except metadata.PackageNotFoundError:
        return False
    return Path(origin).resolve().is_relative_to(root)


def _library_trouble(folder: Path) -> str | None:
    for library in TORCH_LIBRARIES:
        path = folder / "lib" / library
        if path.is_file():
            try:
                ctypes.CDLL(str(path))
            except OSError as error:
                return _broken("torch", error)
    return None


def _import_trouble(module: str) -> str | None:
    """What importing a module in a process of its own says, None when it works."""
    words = [sys.executable, "-c", f"import {module}"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=IMPORT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"is not imported within {IMPORT_SECONDS} s"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return f"does not import ({lines[-1][:200]})"


def _accelerator(thorough: bool) -> dict[str, Any]:
    if thorough and _import_trouble("torch") is None:
        return _accelerator_by_torch()
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    if cards:
        names = [line.partition(":")[2].strip() for card in cards for line in card.read_text().splitlines()[:1]]
        build = _version("torch") or "none"
        ok = "+cpu" not in build and build != "none"
        remedy = "" if ok else f"; this torch ({build}) does not use it: install one for CUDA"
        return _finding("accelerator", ok, f"{', '.join(names)}{remedy}", needed=False)
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return _finding("accelerator", True, "Apple MPS", needed=False)
    return _finding("accelerator", False, "no GPU seen: lite runs well, sonic will be very slow", needed=False)


def _accelerator_by_torch() -> dict[str, Any]:
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        detail = f"{torch.cuda.get_device_name(0)}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        return _finding("accelerator", True, detail, needed=False)
    if torch.backends.mps.is_available():
        return _finding("accelerator", True, "Apple MPS", needed=False)
    return _finding("accelerator", False, "torch sees no GPU: lite runs well, sonic will be very slow", needed=False)


def _codecs() -> dict[str, Any]:
    try:
        import av

        encoders = [name for name in ("libx264", "aac") if name in av.codecs_available]
    except BaseException as error:
        return _finding("video codecs", False, f"PyAV does not load ({type(error).__name__}: {error}); reinstall av")
    return _finding("video codecs", len(encoders) == 2, ", ".join(encoders) or "reinstall av from its wheel")


def _lite_weights() -> dict[str, Any]:
    package = Path(__file__).parents[1]
    files = [file for folder in WEIGHTS_FOLDERS for file in (package / folder).rglob("*.safetensors")]
    size = sum(file.stat().st_size for file in files)
    return _finding("lite weights", len(files) >= 4, f"{len(files)} files, {size / 2**20:.1f} MB")
