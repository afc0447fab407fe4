"""Reading a portrait: from a path, PIL, numpy or torch to uint8 RGB, upright, with its size checked first."""

from __future__ import annotations

import os
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sonic_core.errors import InputError
from sonic_core.media.files import existing_file, written_whole

MAX_PIXELS = 80_000_000  # 240 MB as RGB; a 61 megapixel camera fits
MAX_SIDE = 16_384
MIN_SIDE = 32


def load_image(source: Any) -> np.ndarray:
    """uint8 RGB (height, width, 3) from a path, a PIL image, a numpy array or a torch tensor.

    Arrays are (h, w), (h, w, 1|3|4) or (1, h, w, c); floating values are in [0, 1], integers in the full range of
    their type. EXIF rotation is applied; transparency is laid over white; 16-bit and CMYK are converted.
    Raises InputError for anything that is not one still picture of usable size.
    """
    if isinstance(source, (str, os.PathLike)):
        return _from_path(existing_file(source, "image"))
    if isinstance(source, Image.Image):
        return _from_pil(source, "image")
    if hasattr(source, "detach"):  # a torch tensor
        source = source.detach().cpu().float().numpy() if source.is_floating_point() else source.cpu().numpy()
    if isinstance(source, np.ndarray):
        return _from_array(source)
    raise InputError(f"image is a {type(source).__name__}; give a path, a PIL image, a numpy array or a torch tensor")


def save_image(image: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Write uint8 RGB (height, width, 3); the suffix decides the format."""
    with written_whole(path) as temporary:
        Image.fromarray(image).save(temporary)


def _from_path(path: Path) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            # PIL warns from 89 megapixels on; our own cap below is the one that counts.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return _from_pil(image, f"image {str(path)!r}")
    except Image.DecompressionBombError as error:
        raise InputError(f"image {str(path)!r} is too large: {error}; scale it down first") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{str(path)!r} is not an image that can be read; give a JPEG, PNG or WebP") from error
    except (OSError, SyntaxError, ValueError, struct.error, EOFError) as error:
        # PIL's decoders raise all of these for damaged files.
        raise InputError(f"image {str(path)!r} is damaged ({error}); export or download it again") from error


def _from_pil(image: Image.Image, name: str) -> np.ndarray:
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise InputError(f"{name} is animated ({image.n_frames} frames); give a still picture")  # type: ignore[attr-defined]
    _check_size(image.width, image.height, name)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _from_array(_unit_range(np.asarray(image)), name)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def _unit_range(values: np.ndarray) -> np.ndarray:
    """16-bit, 32-bit integer or float grey values to float32 in [0, 1]."""
    if values.dtype.kind == "f":
        top = 1.0 if values.max(initial=0) <= 1 else 255.0 if values.max() <= 255 else 65535.0
    else:
        top = 65535.0 if values.max(initial=0) > 255 else 255.0
    return (values.astype(np.float32) / top).clip(0, 1)


def _from_array(array: np.ndarray, name: str = "image") -> np.ndarray:
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise InputError(f"{name} has shape {tuple(array.shape)}; give (height, width, 3)")
    _check_size(array.shape[1], array.shape[0], name)
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


def _check_size(width: int, height: int, name: str) -> None:
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{name} is {width} x {height} pixels; give one of at least {MIN_SIDE} on each side")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise InputError(
            f"{name} is {width} x {height} pixels; the limit is {MAX_PIXELS // 1_000_000} megapixels "
            f"and {MAX_SIDE} a side, so scale it down first"
        )
