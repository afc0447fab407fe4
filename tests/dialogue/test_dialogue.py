"""A dialogue on a picture of two, with an engine that only says what it was given."""

import numpy as np
import pytest

from sonic_core.dialogue.dialogue import dialogue
from sonic_core.engines.lite.layout import GAZE
from sonic_core.errors import InputError, NoFaceError, SettingsError
from sonic_core.settings import Settings

from .conftest import Recorder, voice


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
    chosen = (0, 1) if found[0].box[0] > found[1].box[0] else (1, 0)
    dialogue(couple, [voice(0, 1), voice(1, 2)], engine, detector, Settings(min_resolution=240, faces=chosen))
    assert engine.heard[0][0].face.box[0] > engine.heard[1][0].face.box[0]


def test_what_cannot_be_a_dialogue(couple, detector):
    two, engine = [voice(0, 1), voice(1, 2)], Recorder()
    with pytest.raises(InputError, match="with 1 voices"):
        dialogue(couple, two[:1], engine, detector, Settings())
    with pytest.raises(SettingsError, match="for 2 voices; give a face for each"):
        dialogue(couple, two, engine, detector, Settings(faces=(0, 1, 2)))
    with pytest.raises(SettingsError, match="a different number from 0 to 63 for each of 2 to 8 voices"):
        Settings(faces=(0, 0))
    with pytest.raises(SettingsError, match="framing is 'face'"):
        dialogue(couple, two, engine, detector, Settings(framing="face"))
    with pytest.raises(NoFaceError, match="3 voices were given but 2 faces"):
        dialogue(couple, [*two, voice(0, 1)], engine, detector, Settings())
