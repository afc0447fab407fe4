"""Fetches the released model's files: only when its licences are accepted and the server allows it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from comfy_api.latest import io

from sonic_core.errors import ModelError
from sonic_core.weights.catalog import (
    SONIC_LICENCE,
    SVD_LICENCE,
    Status,
    missing_of,
    model_status,
    readable_size,
    total_size,
)

from . import host
from .node import SonicNode, checked, schema

SOURCES = ["huggingface", "modelscope"]
FORBIDDING = ("SONIC_NO_DOWNLOADS", "HF_HUB_OFFLINE")  # set on the server, they keep it from fetching anything


class SonicDownloadModel(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicDownloadModel",
            display_name="Sonic: Download Model",
            description="Downloads the released Sonic model's missing files into models/sonic, about 8 GB in all. "
            "Without accept_licences it only lists them. A cancelled download resumes where it stopped. "
            "lite needs none of this.",
            search_aliases=["download models", "install model", "model files", "weights", "下载模型"],
            inputs=[
                io.Boolean.Input(
                    "accept_licences",
                    default=False,
                    tooltip=f"I accept the licences of the files: {SONIC_LICENCE} (not for commercial use) for Sonic, "
                    f"{SVD_LICENCE} for Stable Video Diffusion, Apache-2.0 for Whisper and MIT for RIFE. "
                    "Off: nothing is fetched.",
                ),
                io.Combo.Input(
                    "source",
                    options=SOURCES,
                    default=SOURCES[0],
                    tooltip="modelscope: the files it has copies of come from there (faster in China), "
                    "the rest from Hugging Face.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "report", display_name="report", tooltip="What is missing, with sizes, licences and the folder."
                )
            ],
            is_output_node=True,
            not_idempotent=True,
        )

    @classmethod
    def run(cls, on_step: Any, accept_licences: bool, source: str) -> io.NodeOutput:
        folder = Path(host.model_path(host.MODEL_FOLDER))
        missing = missing_of(model_status(folder))
        if accept_licences and missing:
            check_allowed()
            check_space(folder, missing)
            fetch(missing, folder, source, on_step)
        report = listed(model_status(folder), folder)
        host.say(report)
        return io.NodeOutput(report, ui={"text": (report,)})

    @classmethod
    def validate_inputs(cls, source: str | None = None) -> bool | str:
        return checked(cls, source=source)

    @classmethod
    def fingerprint_inputs(cls, **_: object) -> float:
        return float("nan")  # the folder may have changed


def fetch(missing: list[Status], folder: Path, source: str, on_step: Any) -> None:
    """Download file after file; progress is counted in MB over all of them."""
    from sonic_core.weights.download import download  # huggingface_hub loads slowly

    total, before = total_size(missing), 0
    for status in missing:

        def on_bytes(done: int, size: int, preview: Any = None, before: int = before) -> None:
            on_step(min(before + done, total) >> 20, total >> 20)

        on_bytes(0, status.size)
        download(status.file, folder, source, on_bytes)  # type: ignore[arg-type]
        before += status.size


def check_allowed() -> None:
    """Raise ModelError where the server's owner does not let it fetch anything."""
    for name in FORBIDDING:
        if os.environ.get(name, "").lower() not in ("", "0", "false"):
            raise ModelError(
                f"this server may not download model files, because {name} is set on it; "
                "put the files into models/sonic by hand, or ask whoever runs it"
            )


def check_space(folder: Path, missing: list[Status]) -> None:
    """Raise ModelError, before anything is fetched, when the disk is too full."""
    needed = total_size(missing)
    place = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise ModelError(
            f"the model files need {readable_size(needed)} and {folder} has {readable_size(free)} free; "
            "make room on the disk"
        )


def listed(statuses: list[Status], folder: Path) -> str:
    """A sentence for the missing files of each licence, then what to do."""
    absent = missing_of(statuses)
    if not absent:
        return f"All files are in {folder}: press R, then choose sonic in Sonic: Load Model."
    lines = [f"Missing in {folder}:"]
    for licence in dict.fromkeys(status.file.licence for status in absent):
        files = [status.file for status in absent if status.file.licence == licence]
        names = [f"{file.path} ({readable_size(file.size)}{', optional' if file.optional else ''})" for file in files]
        lines.append(f"{', '.join(names)}: {licence}.")
    return "\n".join([*lines, f"{readable_size(total_size(absent))} to fetch: turn accept_licences on and run again."])
