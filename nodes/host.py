"""Everything the nodes ask of ComfyUI: folders, devices, progress, cancelling. Nothing is looked up at import."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import folder_paths
import numpy as np
import torch
from comfy import model_management
from comfy.utils import ProgressBar
from comfy_api.latest import io
from comfy_execution.utils import get_executing_context
from PIL import Image
from server import PromptServer

from sonic_core.clip import Clip
from sonic_core.comfyui import JOB_KEY
from sonic_core.errors import InputError, NotEnoughMemoryError

MODEL_FOLDER = "sonic"
BUNDLED = "lite"
ABSENT = " (not installed)"
WEIGHTS = {".pth", ".pt", ".safetensors", ".pkl"}
PREVIEW_SIDE = 512
SHOW_SECONDS, PICTURE_SECONDS = 0.1, 0.5  # between two steps, and two previews, that are shown


def register_model_folder() -> None:
    """Make `models/sonic` known; extra_model_paths.yaml may add others."""
    folder_paths.add_model_folder_path(MODEL_FOLDER, os.path.join(folder_paths.models_dir, MODEL_FOLDER))
    paths, _ = folder_paths.folder_names_and_paths[MODEL_FOLDER]
    folder_paths.folder_names_and_paths[MODEL_FOLDER] = (paths, WEIGHTS)


def model_names() -> list[str]:
    """The bundled model; `models/sonic`, marked where it is not installed; each of its folders with a UNet."""
    files = [Path(name) for name in folder_paths.get_filename_list(MODEL_FOLDER)]
    folders = {file.parent.as_posix() for file in files if file.stem == "unet"}
    released = MODEL_FOLDER if "." in folders else MODEL_FOLDER + ABSENT
    return [BUNDLED, released, *(f"{MODEL_FOLDER}/{folder}" for folder in sorted(folders - {"."}))]


def model_path(name: str) -> str:
    """What `SonicPipeline.from_pretrained` takes for a name of `model_names`. Raises InputError for another."""
    name = str(name).removesuffix(ABSENT)  # a saved workflow may say so still, and files may have come or gone since
    known = model_names()
    if name not in [BUNDLED, MODEL_FOLDER, *known]:
        raise InputError(f"model {name!r} is not there; choose one of {', '.join(known)}")
    if name == BUNDLED:
        return BUNDLED
    inside = name.removeprefix(MODEL_FOLDER).lstrip("/")
    roots = [Path(root) / inside for root in folder_paths.get_folder_paths(MODEL_FOLDER)]
    return str(next((root for root in roots if any(root.glob("unet.*"))), roots[0]))


def model_file(name: str) -> str | None:
    """The path of a file in `models/sonic`, or None."""
    return folder_paths.get_full_path(MODEL_FOLDER, name)


def compute_dtype(precision: str) -> torch.dtype:
    """The dtype of a precision widget; "auto" is what ComfyUI uses on this device."""
    if precision != "auto":
        return {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    device = model_management.get_torch_device()
    if model_management.should_use_bf16(device):
        return torch.bfloat16
    return torch.float16 if model_management.should_use_fp16(device) else torch.float32


def stepper() -> Callable[..., None]:
    """An `on_step` that moves the node's progress bar, shows previews, and raises when the user cancels.

    Short steps are not all shown: ComfyUI's one thread for the network would encode and send pictures without end, and
    hear a cancel late.
    """
    bar = ProgressBar(1)
    shown = pictured = float("-inf")

    def on_step(done: int, total: int, preview: Any = None) -> None:
        nonlocal shown, pictured
        model_management.throw_exception_if_processing_interrupted()
        now = time.monotonic()
        if now - shown < SHOW_SECONDS and done < total:
            return
        shown = now
        if preview is None or now - pictured < PICTURE_SECONDS:
            bar.update_absolute(done, total)
            return
        pictured = now
        bar.update_absolute(done, total, ("JPEG", picture(preview), min(PREVIEW_SIDE, max(preview.shape[:2]))))

    return on_step


def run_and_node() -> tuple[str, str]:
    """The ids of the run under way and of the node at work; made up outside of a run."""
    context = get_executing_context()
    return (secrets.token_hex(8), "0") if context is None else (str(context.prompt_id), str(context.node_id))


def made_for(node: type[io.ComfyNode]) -> str:
    """What the AI record of a node's video names: the job that a worker of ours queued the run for, or else the run.

    The node's schema asks for the hidden extra_pnginfo.
    """
    told = getattr(node.hidden, "extra_pnginfo", None)
    job = told.get(JOB_KEY) if isinstance(told, dict) else None
    return str(job or run_and_node()[0])


def watched(clip: Clip, on_step: Callable[..., None]) -> Clip:
    """The clip, calling `on_step` as its frames are taken."""

    def make() -> Iterator[np.ndarray]:
        done = 0
        for chunk in clip.make():
            yield chunk
            done += len(chunk)
            on_step(done, clip.frame_count)

    return clip.replaced(make=make)


def picture(frame: np.ndarray) -> Image.Image:
    """A PIL image of a frame: float32 (h, w, 3) in [0, 1]."""
    return Image.fromarray((np.asarray(frame) * 255 + 0.5).clip(0, 255).astype(np.uint8))


def image_tensor(image: np.ndarray) -> torch.Tensor:
    """ComfyUI's IMAGE (1, h, w, 3) of a uint8 picture (h, w, 3)."""
    return torch.from_numpy(image.astype(np.float32) / 255)[None]


def temporary_file(stem: str, suffix: str) -> Path:
    """A new path below ComfyUI's temp folder, which it empties at start."""
    folder = Path(folder_paths.get_temp_directory()) / "sonic_studio"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{stem}_{secrets.token_hex(6)}{suffix}"


def output_file(prefix: str, suffix: str) -> Path:
    """A new path below ComfyUI's output folder, numbered as core's saving nodes do it. Raises InputError outside it."""
    root = os.path.realpath(folder_paths.get_output_directory())
    if not Path(os.path.realpath(os.path.join(root, prefix))).is_relative_to(root):
        raise InputError(f"save_as {prefix!r} lies outside ComfyUI's output folder; give a name such as video/sonic")
    folder, name, counter, _, _ = folder_paths.get_save_image_path(prefix, root)
    return Path(folder) / f"{name}_{counter:05}_{suffix}"


def shown_file(path: Path, kind: str) -> dict[str, str]:
    """How the front end finds a file below the output or the temp folder (`kind`)."""
    root = folder_paths.get_output_directory() if kind == "output" else folder_paths.get_temp_directory()
    subfolder = os.path.relpath(os.path.realpath(path.parent), os.path.realpath(root))
    return {"filename": path.name, "subfolder": "" if subfolder == "." else Path(subfolder).as_posix(), "type": kind}


def input_files(kinds: list[str]) -> list[str]:
    """Names of the files in the input folder of these kinds ("audio", "video")."""
    folder = folder_paths.get_input_directory()
    files = [entry.name for entry in os.scandir(folder) if entry.is_file()] if os.path.isdir(folder) else []
    return sorted(folder_paths.filter_files_content_types(files, kinds))


def input_folders() -> list[str]:
    """The folders in the input folder, deeper ones too, by their paths in it."""
    return sorted(folder_paths.get_input_subfolders())


def input_folder(name: str) -> Path:
    """The folder of that name in the input folder. Raises InputError for one that is not there, or outside of it."""
    root = Path(os.path.realpath(folder_paths.get_input_directory()))
    path = Path(os.path.realpath(root / name))
    if not path.is_relative_to(root) or not path.is_dir():
        raise InputError(f"folder {name!r} is not in ComfyUI's input folder; choose one from the list, or put it there")
    return path


def input_path(name: str) -> Path:
    """The file that a picker's value names. Raises InputError when it is gone or outside ComfyUI's folders."""
    path = Path(os.path.realpath(folder_paths.get_annotated_filepath(str(name))))
    places = (
        folder_paths.get_input_directory(),
        folder_paths.get_output_directory(),
        folder_paths.get_temp_directory(),
    )
    if not any(path.is_relative_to(os.path.realpath(place)) for place in places):
        raise InputError(f"file {name!r} lies outside ComfyUI's folders; upload it or choose one from the list")
    if not path.is_file():
        raise InputError(f"file {name!r} is not in ComfyUI's input folder; upload it or choose one from the list")
    return path


def free_memory(device: torch.device) -> int:
    """Bytes that can be used on a device, models that ComfyUI may unload included."""
    loaded = sum(
        model.model_loaded_memory() for model in model_management.current_loaded_models if model.device == device
    )
    return int(model_management.get_free_memory(device) + loaded)


def check_memory(needed: int, what: str) -> None:
    """Raise NotEnoughMemoryError, before anything is made, when `needed` bytes of main memory are not free."""
    free = int(model_management.get_free_memory(torch.device("cpu")))
    if needed > free:
        raise NotEnoughMemoryError(
            f"{what}, but only {free / 2**20:.0f} MB of memory are free; take fewer frames with start and count, "
            "or save the video with Sonic: Render Video"
        )


def label_language() -> str:
    """The language of a visible label: Chinese where the front end is set to Chinese, else English.

    The front end fills this in by itself when it queues a workflow (web/js/label.js); this is for other clients.
    """
    settings = Path(folder_paths.get_user_directory()) / "default" / "comfy.settings.json"
    try:
        locale = json.loads(settings.read_text(encoding="utf-8")).get("Comfy.Locale", "")
    except (OSError, ValueError, AttributeError):
        locale = ""
    return "zh" if str(locale).startswith("zh") else "en"


def say(text: str) -> None:
    """Show a line on the node at work."""
    context = get_executing_context()
    if context is not None:
        PromptServer.instance.send_progress_text(text, context.node_id)
