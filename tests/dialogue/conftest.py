"""What the dialogue tests share: an engine that only says what it was given, a picture of two, and voices."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from sonic_core.clip import Audio, Clip
from sonic_core.engines.base import Latents
from sonic_core.engines.lite.layout import CHANNELS
from sonic_core.face.detect import FaceDetector


class Recorder:
    """Remembers what it was asked for; its frames show the portrait, brighter by the gaze."""

    name, size_multiple = "lite", 2

    def __init__(self):
        self.heard, self.seeds, self.decoded = [], [], []

    def condition(self, portrait, speech, settings, on_step=None):
        self.heard.append((portrait, speech))
        return portrait, speech

    def sample(self, conditions, settings, on_step=None):
        portrait, speech = conditions
        self.seeds.append(settings.seed)
        return Latents("lite", torch.zeros(len(speech) // 640, CHANNELS), portrait, len(speech) / 16000)

    def decode(self, latents, settings):
        self.decoded.append(latents)
        picture = latents.portrait.image.astype(np.float32) / 255
        height, width = picture.shape[:2]
        count = len(latents.values)
        return Clip(width, height, count, Fraction(25), lambda: (picture[None] for _ in range(count)))


@pytest.fixture(scope="module")
def detector():
    return FaceDetector()


@pytest.fixture(scope="module")
def couple(portrait_path):
    picture = cv2.cvtColor(cv2.imread(str(portrait_path)), cv2.COLOR_BGR2RGB)
    scale = 240 / min(picture.shape[:2])
    small = cv2.resize(picture, (round(picture.shape[1] * scale), round(picture.shape[0] * scale)))
    return np.ascontiguousarray(np.concatenate([small, small[:, ::-1]], 1))


def voice(start: float, end: float, seconds: float = 2.0) -> Audio:
    samples = np.zeros(round(seconds * 16000), np.float32)
    samples[round(start * 16000) : round(end * 16000)] = 0.3
    return Audio(samples[None], 16000)
