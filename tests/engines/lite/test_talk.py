"""The bundled face that talks live: rows in order, lips that close when told to, life without an end."""

import numpy as np
import pytest

from sonic_core import Settings
from sonic_core.engines.lite import layout
from sonic_core.engines.lite.motion import MotionModel
from sonic_core.engines.lite.talk import CLOSING, Level, LiteTalk
from sonic_core.live.pace import BLOCK
from sonic_core.media.audio import load_audio, speech_waveform

BASIS = layout.MouthBasis.load()
LOOK_AHEAD = LiteTalk.look_ahead
OPENING = BASIS.components[:, 14, 1] - BASIS.components[:, 13, 1]


class NoRenderer:
    photo = np.zeros((64, 48, 3), np.uint8)
    frame = staticmethod(lambda row: NoRenderer.photo)


@pytest.fixture(scope="module")
def model() -> MotionModel:
    return MotionModel.from_folder()


@pytest.fixture(scope="module")
def speech(speech_path) -> np.ndarray:
    return speech_waveform(load_audio(speech_path), 16000)[: 6 * 16000]


def talk(model: MotionModel, seed: int = 0) -> LiteTalk:
    return LiteTalk(model, NoRenderer(), 1.5, Settings(inference_steps=4, seed=seed))


def spoken(face: LiteTalk, speech: np.ndarray, frames: int = 4) -> np.ndarray:
    return np.concatenate([face.push(part) for part in speech[: len(speech) // 2560 * 2560].reshape(-1, 640 * frames)])


def test_lips_follow_the_offline_lips_with_their_look_ahead(model, speech):
    rows = spoken(talk(model), speech)
    assert len(rows) == len(speech) // 2560 * 4 - LOOK_AHEAD and talk(model).size == (48, 64)
    offline = model.ears.articulation.apply(*model.ears.predict(speech, len(speech) // 640))[: len(rows)]
    assert np.corrcoef(rows[:, layout.MOUTH] @ OPENING, offline[:, layout.MOUTH] @ OPENING)[0, 1] > 0.93


def test_a_talk_repeats_with_its_seed(model, speech):
    first, again, other = (spoken(talk(model, seed), speech[:32000]) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.allclose(
        first[:, layout.HEAD_ROTATION], other[:, layout.HEAD_ROTATION]
    )


def test_an_interrupt_closes_the_mouth_in_its_frames_and_lets_it_open_again(model, speech):
    face = talk(model)
    spoken(face, speech[:32000])
    face.interrupt()
    rows = face.push(np.zeros(2560 * 2, np.float32))
    assert not rows[CLOSING - 1 : LOOK_AHEAD + CLOSING, layout.MOUTH].any()
    assert (BLOCK + CLOSING - 1) / layout.FPS <= 0.2, "also when a block of frames has just been handed out"
    after = spoken(face, speech[32000:64000])
    assert (after[:, layout.MOUTH] @ OPENING).max() > 0.02


def test_silence_keeps_the_face_alive_and_memory_flat(model):
    face = talk(model)
    rows = spoken(face, np.zeros(6 * 16000, np.float32))
    assert rows[:, layout.HEAD_ROTATION].std(0).max() > 0.1
    assert len(face.ears.sound) <= 110 * 640 and len(face.loud) <= LOOK_AHEAD
    assert len(face.life.loud) == face.life.REMEMBERED and len(face.life.motion.noise) < 100


def test_loudness_is_relative_to_the_loudest_lately():
    level = Level()
    assert level.of(np.zeros(640, np.float32)) == 0
    assert level.of(np.full(640, 0.1, np.float32)) == 1
    assert 0.5 < level.of(np.full(640, 0.02, np.float32)) < 0.8
