"""A dialogue on a picture of two, with an engine that only says what it was given."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from sonic_core.clip import Audio, Clip
from sonic_core.dialogue.dialogue import dialogue
from sonic_core.engines.base import Latents
from sonic_core.engines.lite.layout import CHANNELS, GAZE
from sonic_core.errors import InputError, NoFaceError, SettingsError
from sonic_core.face.detect import FaceDetector
from sonic_core.settings import Settings


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


def test_each_face_gets_its_voice_and_the_sound_is_all(couple, detector):
    engine = Recorder()
    clip = dialogue(couple, [voice(0, 1), voice(1, 1.5, 1.5)], engine, detector, Settings(min_resolution=240))
    (left, first), (right, second) = engine.heard
    assert left.face.box[0] < right.face.box[0] and len(first) == len(second) == 32000
    assert np.abs(first[:14000]).max() > 0.2 > 0.01 > np.abs(second[:14000]).max()
    assert clip.frame_count == 50 and clip.audio.seconds == 2 and len(set(engine.seeds)) == 2
    sound = np.abs(clip.audio.mono())
    assert sound[8000] > 0.2 and sound[20000] > 0.2 and sound[30000] == 0


def test_listeners_look_at_the_speaker(couple, detector):
    engine = Recorder()
    dialogue(couple, [voice(0, 1), voice(1, 2)], engine, detector, Settings(min_resolution=240))
    left, right = (part.values.numpy()[:, GAZE.start] for part in engine.decoded)
    assert right[:20].min() < -0.3 and left[:20].max() < 0.05 and left[30:].max() > 0.3


def test_faces_can_be_chosen(couple, detector):
    engine = Recorder()
    found = detector.detect(couple)
    chosen = [0, 1] if found[0].box[0] > found[1].box[0] else [1, 0]
    dialogue(couple, [voice(0, 1), voice(1, 2)], engine, detector, Settings(min_resolution=240), chosen)
    assert engine.heard[0][0].face.box[0] > engine.heard[1][0].face.box[0]


def test_what_cannot_be_a_dialogue(couple, detector):
    two, engine = [voice(0, 1), voice(1, 2)], Recorder()
    with pytest.raises(InputError, match="with 1 voices"):
        dialogue(couple, two[:1], engine, detector, Settings())
    with pytest.raises(SettingsError, match="a different face for each voice"):
        dialogue(couple, two, engine, detector, Settings(), [0, 0])
    with pytest.raises(SettingsError, match="framing is 'face'"):
        dialogue(couple, two, engine, detector, Settings(framing="face"))
    with pytest.raises(NoFaceError, match="3 voices were given but 2 faces"):
        dialogue(couple, [*two, voice(0, 1)], engine, detector, Settings())
