"""A small picture of a job's photo or video, for lists of jobs. It reads files that `facts_of` has probed."""

import io
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from sonic_core.errors import SonicError
from sonic_core.media.video import open_video

SIZE = (240, 240)  # px at most
MAX_PIXELS = 25_000_000  # of a photo that is decoded for one
LOOKS, APART = 4, 12  # frames of a video that are looked at, and how many lie between two of them
DARK = 24  # mean brightness up to which a frame may be a fade from black


def thumbnail(kind: str, path: Path, facts: dict[str, Any]) -> bytes | None:
    """JPEG of an image or a video; None for a very large photo, or a file that only fuller decoders can read."""
    try:
        if kind == "video":
            return _jpeg(Image.fromarray(_first_lit(path)))
        if facts["width"] * facts["height"] > MAX_PIXELS:
            return None
        with Image.open(path) as image:
            image.draft("RGB", SIZE)
            return _jpeg(ImageOps.exif_transpose(image).convert("RGB"))
    except (SonicError, OSError, ValueError):
        return None


def _first_lit(path: Path) -> Any:
    """uint8 (h, w, 3) the first picture of a video that is not dark, of those in its first seconds."""
    clip = open_video(path, with_audio=False, short_side=SIZE[0])
    picture = None
    for picture in islice(clip.pictures(), 0, LOOKS * APART, APART):
        if picture.mean() > DARK:
            break
    return picture


def _jpeg(image: Image.Image) -> bytes:
    made = io.BytesIO()
    image.thumbnail(SIZE)
    image.save(made, "JPEG", quality=80)
    return made.getvalue()
