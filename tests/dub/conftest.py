"""A video made here: the example portrait as it drifts slowly, and a second, empty shot where a test wants one."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from sonic_core.clip import Clip
from sonic_core.dub.dub import look_at
from sonic_core.face.detect import FaceDetector

SIDE = 240


@pytest.fixture(scope="session")
def detector():
    return FaceDetector()


@pytest.fixture(scope="session")
def portrait(portrait_path):
    picture = cv2.cvtColor(cv2.imread(str(portrait_path)), cv2.COLOR_BGR2RGB)
    scale = SIDE / min(picture.shape[:2])
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def drifting(picture: np.ndarray, count: int, step: float = 0.7) -> np.ndarray:
    """float32 (count, h, w, 3): the picture moving sideways by `step` px a frame."""
    height, width = picture.shape[:2]
    frames = [
        cv2.warpAffine(
            picture, np.float32([[1, 0, step * k], [0, 1, 0]]), (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        for k in range(count)
    ]
    return np.stack(frames).astype(np.float32) / 255


@pytest.fixture(scope="session")
def video(portrait):
    return Clip.of_frames(drifting(portrait, 14), Fraction(25))


@pytest.fixture(scope="session")
def cast(video, detector):
    return look_at(video, detector)
