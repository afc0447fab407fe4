"""The command `doctor`: what this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib import metadata, util
from pathlib import Path
from typing import Any

REQUIRED = ("torch", "transformers", "diffusers", "numpy", "av", "safetensors", "pillow", "soxr", "scipy")
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
EXTRAS = {
    "storage": ("oss2", "tenacity"),
    "fleet": (
        "sqlalchemy",
        "alembic",
        "celery",
        "fastapi",
        "uvicorn",
        "httpx",
        "websockets",
        "python-multipart",
        "psycopg",
    ),
    "kafka": ("confluent-kafka",),
    "provenance": ("c2pa-python",),
}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("doctor", help="say what this machine has and what is missing")
    parser.add_argument("--json", action="store_true", help="print the findings as one line of JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    findings = examine()
    if args.json:
        sys.stdout.write(json.dumps(findings) + "\n")
    else:
        width = max(len(finding["what"]) for finding in findings)
        for finding in findings:
            mark = "ok     " if finding["ok"] else "MISSING" if finding["needed"] else "absent "
            sys.stdout.write(f"{mark}  {finding['what']:<{width}}  {finding['detail']}\n")
    return 0 if all(finding["ok"] for finding in findings if finding["needed"]) else 2


def examine() -> list[dict[str, Any]]:
    """One finding a row: what, whether it is there, whether it is needed, and a detail or a remedy."""
    findings = [
        _finding("python", sys.version_info >= (3, 10), f"{platform.python_version()} on {platform.platform()}"),
        _finding("processors", True, f"{os.cpu_count()} cores"),
    ]
    for name in REQUIRED:
        version = _version(name)
        findings.append(_finding(name, version is not None, version or f"pip install {name}"))
    opencv = [f"{name} {_version(name)}" for name in OPENCV if _version(name)]
    findings.append(_finding("opencv", bool(opencv), ", ".join(opencv) or "pip install opencv-python"))
    if util.find_spec("torch"):
        findings.append(_accelerator())
    findings += [_codecs(), _lite_weights()]
    for extra, names in EXTRAS.items():
        missing = [name for name in names if _version(name) is None]
        detail = f"pip install '.[{extra}]' (lacks {', '.join(missing)})" if missing else "installed"
        findings.append(_finding(f"extra {extra}", not missing, detail, needed=False))
    return findings


def _finding(what: str, ok: bool, detail: str, needed: bool = True) -> dict[str, Any]:
    return {"what": what, "ok": ok, "needed": needed, "detail": detail}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _accelerator() -> dict[str, Any]:
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        detail = f"{torch.cuda.get_device_name(0)}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        return _finding("accelerator", True, detail, needed=False)
    if torch.backends.mps.is_available():
        return _finding("accelerator", True, "Apple MPS", needed=False)
    return _finding("accelerator", False, "no GPU seen: lite runs well, sonic will be very slow", needed=False)


def _codecs() -> dict[str, Any]:
    try:
        import av

        encoders = [name for name in ("libx264", "aac") if name in av.codecs_available]
    except ImportError as error:
        return _finding("video codecs", False, f"PyAV does not load ({error}); reinstall av")
    return _finding("video codecs", len(encoders) == 2, ", ".join(encoders) or "reinstall av from its wheel")


def _lite_weights() -> dict[str, Any]:
    package = Path(__file__).parents[1]
    files = [*package.glob("engines/lite/weights/**/*.safetensors"), *package.glob("face/weights/*.safetensors")]
    size = sum(file.stat().st_size for file in files)
    return _finding("lite weights", len(files) >= 4, f"{len(files)} files, {size / 2**20:.1f} MB")
