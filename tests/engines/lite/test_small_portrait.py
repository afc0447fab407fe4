"""A portrait scaled down: where its face is too small to tell whether something hides it, it counts as uncovered."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sonic_core.engines.lite.renderer import Renderer
from sonic_core.face.detect import Face
from sonic_core.face.framing import Portrait, View, moved_face, resize

LANDMARKS = Path(__file__).parents[2] / "fixtures" / "portrait_landmarks.npy"


@pytest.mark.parametrize("side", [64, 72, 96, 128])
def test_no_mask_is_seen_where_none_is(portrait_path: Path, side: int):
    photo = np.ascontiguousarray(cv2.imread(str(portrait_path))[..., ::-1])
    height, width = photo.shape[:2]
    landmarks = np.load(LANDMARKS).astype(np.float32)
    face = Face((*landmarks[:, :2].min(0), *landmarks[:, :2].max(0)), landmarks, 1.0)
    small = moved_face(face, np.zeros(2, np.float32), np.float32([side / width, side / height]))
    view = View((width, height), tuple(int(value) for value in face.box))
    assert Renderer(Portrait(resize(photo, (side, side)), small, view)).mouth is not None
