"""Follows one face through a video: steady landmarks for every frame; a lost face is searched for again.

Only the largest face is followed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np

from sonic_core.face.detect import PRESENT, Face, FaceDetector
from sonic_core.face.points import CHIN, FOREHEAD, LIP_BOTTOM, LIP_PAIRS, LIP_TOP, RIGID
from sonic_core.media.shrink import shrink_for, shrunk

# A frame (h, w, 3), float32 in [0, 1] or uint8 -> landmarks (478, 3) in its pixels, or None where there is no face.
Tracker = Callable[[np.ndarray], np.ndarray | None]

SIDE = 640  # larger frames are tracked on a copy whose short side is near this
WANDERING = 0.04  # share of its height by which the face may move before the crop follows it
SEARCH_EVERY = 5  # frames between searches while there is no face


@lru_cache(maxsize=1)
def shared_detector() -> FaceDetector:
    return FaceDetector()


class FaceTracker:
    """A `Tracker` with memory; make a new one for every pass through a clip."""

    def __init__(self, detector: FaceDetector | None = None) -> None:
        self.detector = detector or shared_detector()
        self.anchor: Face | None = None
        self.missed = 0

    def __call__(self, frame: np.ndarray) -> np.ndarray | None:
        picture, scale = tracked_size(frame)
        face = self._follow(picture) or self._search(picture)
        if face is None:
            return None
        return rescaled(face.landmarks, 1 / scale)

    def _follow(self, picture: np.ndarray) -> Face | None:
        if self.anchor is None:
            return None
        found = follow(self.detector, picture, self.anchor)
        if found is None:
            self.anchor, self.missed = None, 0
            return None
        face, self.anchor = found
        return face

    def _search(self, picture: np.ndarray) -> Face | None:
        self.missed += 1
        if self.missed % SEARCH_EVERY != 1:
            return None
        faces = self.detector.detect(picture)
        self.anchor = faces[0] if faces else None
        return self.anchor


def follow(detector: FaceDetector, picture: np.ndarray, anchor: Face) -> tuple[Face, Face] | None:
    """The face last seen at `anchor`, as it is in this frame, and where to look for it next; None when it has gone.

    The crop stays where it is until the face has moved: a crop that followed every frame would add its own jitter.
    """
    face = detector.track(picture, anchor)
    if face.score < PRESENT:
        return None
    rigid = list(RIGID)
    moved = np.linalg.norm(face.landmarks[rigid, :2] - anchor.landmarks[rigid, :2], axis=-1).mean()
    if moved > WANDERING * face_height(face.landmarks):
        face = anchor = detector.track(picture, face)
    return face, anchor


def tracked_size(frame: np.ndarray) -> tuple[np.ndarray, float]:
    """A frame as uint8, shrunk so that its short side comes near SIDE, and its scale."""
    picture = frame if frame.dtype == np.uint8 else cv2.convertScaleAbs(frame, alpha=255)
    shrink = shrink_for(picture.shape[:2], SIDE)
    return shrunk(picture, shrink), 1 / shrink


def rescaled(landmarks: np.ndarray, scale: float) -> np.ndarray:
    """Landmarks in a picture `scale` times as large; pixel centres lie on whole numbers."""
    moved = landmarks * np.float32(scale)
    moved[:, :2] += (scale - 1) / 2
    return moved


def face_height(landmarks: np.ndarray) -> float:
    """Forehead to chin, in pixels."""
    return float(np.linalg.norm(landmarks[FOREHEAD, :2] - landmarks[CHIN, :2]))


def lip_gap(landmarks: np.ndarray) -> float:
    """Distance between the inner lips in pixels: the mean over the pairs that meet when the mouth is shut."""
    return float(lip_gaps(landmarks[None])[0])


def lip_gaps(faces: np.ndarray) -> np.ndarray:
    """(n, 478, 3) -> (n,): `lip_gap` of each face."""
    upper, lower = np.array(LIP_PAIRS).T
    return np.linalg.norm(faces[:, upper, :2] - faces[:, lower, :2], axis=-1).mean(-1)


def lip_shape(landmarks: np.ndarray) -> np.ndarray:
    """(2,) in pixels: distance of the inner lips, and height over the outer lips."""
    return np.array([lip_gap(landmarks), np.linalg.norm(landmarks[LIP_TOP, :2] - landmarks[LIP_BOTTOM, :2])])
