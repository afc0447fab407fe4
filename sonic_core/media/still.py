"""Reads picture files: upright, in sRGB, over white."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sonic_core.errors import InputError
from sonic_core.media.cicp import colour_tags
from sonic_core.media.cut_off import MAX_PIXELS, Remains, remains_of
from sonic_core.media.file_type import is_avif, is_heif
from sonic_core.media.icc import to_srgb
from sonic_core.media.png import without_text
from sonic_core.media.tone_map import needs_mapping, tone_mapped

logger = logging.getLogger(__name__)

# EPS, PDF and WMF would run other programs; icons and fonts are no photos.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "HEIF", "JPEG2000", "PPM", "TGA", "QOI")
NAMES = {"MPO": "JPEG", "WEBP": "WebP", "HEIF": "HEIC", "DIB": "BMP"}
DAMAGED = (OSError, SyntaxError, ValueError, struct.error, EOFError, IndexError, KeyError, TypeError)

MAX_SIDE = 16_384
MIN_SIDE = 32
MAX_MISSING = 0.05  # of the rows of a picture that is cut off


@dataclass(frozen=True)
class Still:
    """A picture file that opens. `frames` counts the pictures of an animation or the pages of a TIFF."""

    path: Path
    format: str
    width: int  # upright
    height: int
    frames: int
    remains: Remains | None  # of a picture that is cut off

    @property
    def several(self) -> str:
        """A file of more than one picture, in words for a sentence."""
        return f"a file of {self.frames} pages" if self.format == "TIFF" else f"an animation of {self.frames} pictures"

    def pixels(self, name: str) -> np.ndarray:
        """uint8 RGB (height, width, 3). Raises InputError for a picture that cannot be used."""
        if self.frames > 1 and self.format == "TIFF":
            raise InputError(f"{name} has {self.frames} pages (TIFF); save the page you want as a picture of its own")
        if self.frames > 1:
            raise InputError(
                f"{name} is animated ({self.frames} pictures, {self.format}); save the one you want as a still picture"
            )
        check_size(self.width, self.height, name)
        with _opened(self.path, name, self.remains) as image:
            picture = rgb_of(image if self.remains is None else _kept(image, self.remains, name), name)
            tags = None if image.info.get("icc_profile") else colour_tags(self.path)
        return tone_mapped(picture, *tags) if tags is not None and needs_mapping(*tags) else picture


def open_still(path: Path, name: str) -> Still | None:
    """The picture in a file, by its header; None for a file of another kind. Raises InputError for a damaged one."""
    _register_heif()
    with open(path, "rb") as file:
        head = file.read(64)
    remains = remains_of(path)
    try:
        with _opened(path, name, remains) as image:
            width, height = image.size
            if _orientation(image) in (5, 6, 7, 8):  # rotated by a quarter turn
                width, height = height, width
            # A phone's MPO holds one photo and its preview, depth map or gain map.
            frames = 1 if image.format in ("MPO", "HEIF") else getattr(image, "n_frames", 1)
            kind = image.format or "picture"
            return Still(path, NAMES.get(kind, kind), width, height, frames, remains)
    except UnidentifiedImageError:
        if remains is not None:
            raise InputError(f"{name} is cut off; export or download it again") from None
        if is_heif(head):
            raise InputError(
                f"{name} is a HEIC picture, which needs the package pillow-heif (pip install pillow-heif); "
                "install it, or save the picture as JPEG"
            ) from None
        if is_avif(head):
            raise InputError(f"{name} is an AVIF picture, which needs Pillow 11.3 or later; save it as JPEG") from None
        return None


@contextmanager
def _opened(path: Path, name: str, remains: Remains | None) -> Iterator[Image.Image]:
    """The opened picture. Pillow's errors become sentences, except UnidentifiedImageError, which the caller handles."""
    try:
        with warnings.catch_warnings():
            # Pillow warns from 89 megapixels on; our own cap is what counts.
            warnings.simplefilter("ignore")
            source = without_text(path) if remains is None else remains.file
            with Image.open(source, formats=_formats()) as image:
                yield image
    except (UnidentifiedImageError, InputError):
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{name} has more than {2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000} megapixels; "
            f"the limit is {MAX_PIXELS // 1_000_000}, so scale it down first"
        ) from error
    except DAMAGED as error:
        raise InputError(f"{name} is a damaged picture ({error}); export or download it again") from error


def _kept(image: Image.Image, remains: Remains, name: str) -> Image.Image:
    """The part that is there of a picture that is cut off. Raises InputError where too much of it is missing."""
    missing = image.height - remains.rows
    if missing > MAX_MISSING * image.height:
        share = f": {missing / image.height:.0%} of its rows are missing" if remains.rows else ""
        raise InputError(f"{name} is cut off{share}; export or download it again")
    if remains.coarse:
        logger.warning("%s is cut off; its lower part lacks the finest detail", name)
    if not missing:
        return image
    logger.warning("%s is cut off; its last %d of %d rows are missing and left out", name, missing, image.height)
    return image.crop((0, 0, image.width, remains.rows))


def rgb_of(image: Image.Image, name: str) -> np.ndarray:
    """uint8 RGB (h, w, 3) of a Pillow picture: upright, in sRGB, over white."""
    check_size(image.width, image.height, name)
    profile = image.info.get("icc_profile")
    clear = image.info.get("transparency")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray((unit_range(image) * 255 + 0.5).astype(np.uint8))
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.mode == "PA" or clear is not None else "RGB")
    elif clear is not None and image.mode in ("L", "RGB", "1"):
        image = image.convert("RGBA")
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA", "RGBa", "La") else None
    image = to_srgb(image, profile, name)
    if alpha is not None:
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=alpha)
        image = white
    return np.asarray(image)


def unit_range(image: Image.Image) -> np.ndarray:
    """Grey values of 16 or 32 bits, or floats, as float32 (h, w) in [0, 1]."""
    values = np.asarray(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "TIFF", "PPM")):
        top = 65535.0
    elif values.dtype.kind == "f":
        top = 1.0 if values.max(initial=0) <= 1 else 255.0 if values.max() <= 255 else 65535.0
    else:
        top = 65535.0 if values.max(initial=0) > 255 else 255.0
    return np.nan_to_num(values.astype(np.float32) / top).clip(0, 1)


def check_size(width: int, height: int, name: str) -> None:
    """Raise InputError for a picture that is too small or too large to work with."""
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{name} is {width} x {height} pixels; give one of at least {MIN_SIDE} on each side")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise InputError(
            f"{name} is {width} x {height} pixels; the limit is {MAX_PIXELS // 1_000_000} megapixels "
            f"and {MAX_SIDE} a side, so scale it down first"
        )


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 for upright. For a PNG, Pillow's getexif would decode the whole picture."""
    exif = image.getexif() if image.format != "PNG" else Image.Exif()
    if image.format == "PNG" and "exif" in image.info:
        exif.load(image.info["exif"])
    return exif.get(0x0112, 1)


def _formats() -> list[str]:
    """Those of FORMATS that the installed Pillow knows."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _register_heif() -> None:
    """Let Pillow read HEIC where pillow-heif is installed."""
    if "HEIF" in Image.OPEN:
        return
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return
    register_heif_opener()
