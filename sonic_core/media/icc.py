"""Converts a photo to sRGB by its ICC profile (Display P3, Adobe RGB, ProPhoto, CMYK, grey)."""

from __future__ import annotations

import io
import logging

from PIL import Image

logger = logging.getLogger(__name__)

BLACK_POINT = 0x2000  # littleCMS: black stays black
READABLE = ("RGB", "L", "CMYK", "LAB")


def to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """The picture in sRGB. Without a usable profile its values are taken as sRGB; the log says so if it has one."""
    if image.mode not in READABLE:
        image = image.convert("L" if image.mode in ("LA", "La", "1") else "RGB")
    if not profile:
        return image.convert("RGB")
    try:
        from PIL import ImageCms
    except ImportError:
        logger.warning("%s: this Pillow cannot convert colour profiles; its colours are taken as sRGB", name)
        return image.convert("RGB")
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in (given.profile.profile_description or "").lower():
            return image.convert("RGB")
        if given.profile.xcolor_space.strip() == "GRAY" and image.mode != "L":
            image = image.convert("L")
        wanted = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        converted = ImageCms.profileToProfile(image, given, wanted, intent, "RGB", flags=ImageCms.Flags(BLACK_POINT))
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError) as error:
        logger.warning("%s: its colour profile cannot be used (%s); its colours are taken as sRGB", name, error)
        return image.convert("RGB")
    return converted or image.convert("RGB")
