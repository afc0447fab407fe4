"""From a photo to a portrait: the face that the settings mean, the part of the photo around it, its size.

Engines see a `Portrait` and never the photo; finishing maps the face back with `face_in_photo`. Nothing here knows an
engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from sonic_core.errors import InputError
from sonic_core.face.crop import Box, Size, crop_square, head_box, resized_size
from sonic_core.face.detect import Face, FaceDetector
from sonic_core.settings import Settings

if TYPE_CHECKING:
    from sonic_core.matting.cutout import Cutout


@dataclass(frozen=True)
class View:
    """The part of the photo that was resized to a portrait: its size, and the face's box in its whole pixels.

    A box that the user gave is kept as given; otherwise it is the box of the landmarks.
    """

    size: Size
    face_box: Box


@dataclass(frozen=True)
class Portrait:
    """A framed photo: uint8 RGB (height, width, 3) and the face in its pixels.

    `view` describes the picture before it was resized; None when it was not. `cutout` is the person alone, as large as
    the image; it is there when the background is to be replaced.
    """

    image: np.ndarray
    face: Face
    view: View | None = None
    cutout: Cutout | None = None

    @property
    def channels(self) -> int:
        """Channels of the frames made from it: 4 with alpha, else 3."""
        return 3 if self.cutout is None else 4


def find_face(photo: np.ndarray, detector: FaceDetector, settings: Settings) -> Face:
    """The face that the settings ask for. Raises NoFaceError or InputError."""
    if settings.face_box is not None:
        height, width = photo.shape[:2]
        x1, y1, x2, y2 = settings.face_box
        if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
            raise InputError(f"face_box {settings.face_box} does not lie inside the photo of {width} x {height} pixels")
        return detector.landmarks_in(photo, settings.face_box)
    return detector.pick(photo, settings.face_index)


def frame_portrait(
    photo: np.ndarray, detector: FaceDetector, settings: Settings, multiple: int
) -> tuple[Box | None, Portrait]:
    """Crop as `framing` says and resize the short side to `min_resolution`: the crop box and the portrait."""
    face = find_face(photo, detector, settings)
    height, width = photo.shape[:2]
    crop = None
    view, corner = photo, np.zeros(2, np.float32)
    if settings.framing != "whole":
        crop = crop_square((width, height), head_box(face, (width, height)), settings.expand_ratio)
        x1, y1, x2, y2 = crop
        view, corner = photo[y1:y2, x1:x2], np.array([x1, y1], np.float32)
    size = resized_size((view.shape[1], view.shape[0]), settings.min_resolution, multiple)
    scale = np.array(size, np.float32) / [view.shape[1], view.shape[0]]
    box = np.array(settings.face_box or face.box) - np.tile(corner, 2)
    x1, y1, x2, y2 = (int(value) for value in box)
    before = View((view.shape[1], view.shape[0]), (x1, y1, x2, y2))
    return crop, Portrait(resize(view, size), moved_face(face, corner, scale), before)


def face_in_photo(portrait: Portrait, crop: Box) -> Face:
    """The portrait's face in the pixels of the photo; `crop` is the part of the photo that the portrait shows."""
    x1, y1, x2, y2 = crop
    scale = np.array([x2 - x1, y2 - y1], np.float32) / portrait.image.shape[1::-1]
    return moved_face(portrait.face, -np.array([x1, y1], np.float32) / scale, scale)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 (h, w, 3) to `size` (width, height), Lanczos as the released model does."""
    if size == (image.shape[1], image.shape[0]):
        return np.ascontiguousarray(image)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def moved_face(face: Face, corner: np.ndarray, scale: np.ndarray) -> Face:
    """The face in the pixels of a crop that starts at `corner` and is then scaled by `scale` (x, y)."""
    landmarks = face.landmarks.copy()
    landmarks[:, :2] = (landmarks[:, :2] - corner) * scale
    landmarks[:, 2] *= scale.mean()
    x1, y1 = (np.array(face.box[:2]) - corner) * scale
    x2, y2 = (np.array(face.box[2:]) - corner) * scale
    return Face((float(x1), float(y1), float(x2), float(y2)), landmarks.astype(np.float32), face.score)
