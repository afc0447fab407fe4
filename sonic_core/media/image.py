"""Reads a portrait from a path, PIL, numpy or torch as upright uint8 RGB; its size is checked first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sonic_core.errors import InputError, OutputError
from sonic_core.media.files import check_output, written_whole
from sonic_core.media.probe import still_of
from sonic_core.media.still import check_size, rgb_of


def load_image(source: Any) -> np.ndarray:
    """uint8 RGB (height, width, 3) from a path, a PIL image, a numpy array or a torch tensor.

    Arrays are (h, w), (h, w, 1|3|4) or (1, h, w, c); floating values are in [0, 1], integers in the full range of
    their type. EXIF rotation is applied; ICC profiles are converted to sRGB; transparency is laid over white; 16-bit
    and CMYK are converted. Raises InputError for anything that is not one still picture of usable size.
    """
    if isinstance(source, (str, os.PathLike)):
        still, name = still_of(source)
        return still.pixels(name)
    if isinstance(source, Image.Image):
        if getattr(source, "n_frames", 1) > 1 and source.format not in ("MPO", "HEIF"):
            raise InputError(f"image has {source.n_frames} frames; give a still picture")  # type: ignore[attr-defined]
        try:
            return rgb_of(source, "image")
        except OSError as error:  # of a picture that Pillow decodes only now
            raise InputError(f"image is damaged ({error}); export or download it again") from error
    if hasattr(source, "detach"):  # a torch tensor
        source = source.detach().cpu().float().numpy() if source.is_floating_point() else source.cpu().numpy()
    if isinstance(source, np.ndarray):
        return _from_array(source)
    raise InputError(f"image is a {type(source).__name__}; give a path, a PIL image, a numpy array or a torch tensor")


def save_image(image: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Write uint8 RGB (height, width, 3); the suffix decides the format. Raises OutputError."""
    _check_suffix(path)
    with written_whole(path) as temporary:
        Image.fromarray(image).save(temporary)


def check_picture(path: str | os.PathLike[str]) -> None:
    """Raise OutputError, before the work, for a picture that cannot be written there."""
    _check_suffix(path)
    check_output(path)


def _check_suffix(path: str | os.PathLike[str]) -> None:
    kind = Image.registered_extensions().get(Path(path).suffix.lower())
    if kind not in Image.SAVE:
        raise OutputError(f"output {str(path)!r} does not end as a picture does; name it .png or .jpg")


def _from_array(array: np.ndarray, name: str = "image") -> np.ndarray:
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise InputError(f"{name} has shape {tuple(array.shape)}; give (height, width, 3)")
    check_size(array.shape[1], array.shape[0], name)
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise InputError(f"{name} has values that are not finite; give values in [0, 1]")
        if array.min() < -0.01 or array.max() > 1.01:
            raise InputError(
                f"{name} has values from {array.min():.3g} to {array.max():.3g}; give floats in [0, 1] or uint8"
            )
        unit = array.astype(np.float32)
    elif array.dtype.kind in "ui":
        unit = array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    else:
        raise InputError(f"{name} has values of type {array.dtype}; give floats in [0, 1] or uint8")
    if unit.shape[2] == 4:
        alpha = unit[..., 3:]
        unit = unit[..., :3] * alpha + (1 - alpha)
    rgb = (unit.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(rgb, (*rgb.shape[:2], 3)))
