"""Motion made piece by piece: whole, repeatable, without seams, and the first piece soon."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core import Settings
from sonic_core.engines.lite import layout
from sonic_core.engines.lite.ears import Ears
from sonic_core.engines.lite.engine import at_rate, pieces_at_rate
from sonic_core.engines.lite.motion import MotionModel
from sonic_core.engines.lite.motion_stream import FIRST, KNOWN, NEW, Listener, MotionStream, whole
from sonic_core.face.points import CHIN, FOREHEAD
from sonic_core.media.audio import load_audio, speech_waveform

BASIS = layout.MouthBasis.load()
OPENING = BASIS.components[:, 14, 1] - BASIS.components[:, 13, 1]
FACE_HEIGHT = np.linalg.norm(BASIS.rest[FOREHEAD] - BASIS.rest[CHIN])


@pytest.fixture(scope="module")
def model() -> MotionModel:
    return MotionModel.from_folder()


@pytest.fixture(scope="module")
def speech(speech_path) -> np.ndarray:
    return np.tile(speech_waveform(load_audio(speech_path), 16000), 2)[: 8 * 16000]


def stream_of(model: MotionModel, speech: np.ndarray, frames: int = 0, **changes) -> Iterator[np.ndarray]:
    """Pieces of motion; as many frames as the speech has unless told otherwise."""
    frames = frames or len(speech) // 640
    listener = Listener(model, speech, frames)
    motion = MotionStream(model, Settings(**{"inference_steps": 4, **changes}), 1.5, KNOWN)
    return (piece.numpy() for piece in whole(listener.heard, frames, motion))


def streamed(model: MotionModel, speech: np.ndarray) -> list[np.ndarray]:
    return list(stream_of(model, speech))


@pytest.fixture(scope="module")
def pieces(model, speech) -> list[np.ndarray]:
    return streamed(model, speech)


def test_all_frames_come_once_and_again_the_same(model, speech, pieces):
    again = streamed(model, speech)
    assert [len(piece) for piece in pieces] == [FIRST, NEW, NEW, 200 - FIRST - 2 * NEW]
    assert all(np.array_equal(a, b) for a, b in zip(pieces, again, strict=True))
    assert not np.allclose(pieces[0], next(stream_of(model, speech, seed=1)))


def test_the_first_piece_comes_before_the_rest_is_listened_to(model, speech, monkeypatch):
    seconds = []
    predict = Ears.predict
    monkeypatch.setattr(
        Ears, "predict", lambda ears, part, frames: seconds.append(len(part) / 16000) or predict(ears, part, frames)
    )
    next(stream_of(model, np.tile(speech, 10)))
    assert sum(seconds) <= 12


def test_lips_say_what_they_say_in_a_whole_clip(model, speech, pieces):
    rows = np.concatenate(pieces)
    plain = model.ears.articulation.apply(*model.ears.predict(speech, len(rows)))
    assert np.corrcoef(rows[:, layout.MOUTH] @ OPENING, plain[:, layout.MOUTH] @ OPENING)[0, 1] > 0.97


@pytest.mark.parametrize("frames", [1, 2, FIRST, FIRST + 1, FIRST + 2 * NEW + 5])
def test_as_many_rows_as_frames(model, speech, frames):
    rows = np.concatenate(list(stream_of(model, speech[:32000], frames, inference_steps=2)))
    assert rows.shape == (frames, layout.CHANNELS) and np.isfinite(rows).all()
    assert rows[:, layout.LIDS].min() >= 0 and rows[:, layout.LIDS].max() <= 1


def test_another_seed_moves_the_head_but_not_the_lips(model, speech):
    first, other = (next(stream_of(model, speech[:64000], seed=seed, inference_steps=12)) for seed in (0, 1))
    assert (first[:, layout.MOUTH] @ OPENING).std() > 0.01 * FACE_HEIGHT  # they do speak
    assert np.array_equal(first[:, layout.MOUTH], other[:, layout.MOUTH])
    assert np.abs(first[:, layout.HEAD_ROTATION] - other[:, layout.HEAD_ROTATION]).max() > 0.5  # degrees


def test_silence_rests_the_lips_and_keeps_the_face_alive(model):
    silence = np.zeros(16000 * 10, np.float32)
    rows = np.concatenate(list(stream_of(model, silence, seed=3, inference_steps=10)))
    assert np.percentile(rows[:, layout.MOUTH] @ OPENING, 95) < 0.01 * FACE_HEIGHT
    assert rows[:, layout.HEAD_ROTATION].std(0).max() > 0.1
    assert rows[:, layout.LIDS].max() > 0.5


def test_no_jump_where_pieces_meet(pieces):
    steps = np.abs(np.diff(np.concatenate(pieces)[:, layout.HEAD_ROTATION], axis=0)).sum(1)
    seams = steps[[FIRST - 1, FIRST + NEW - 1]]
    assert seams.max() < np.percentile(steps, 99) + 0.5  # degrees


def test_scales_scale(model, speech):
    plain = next(stream_of(model, speech[:32000]))
    scaled = next(stream_of(model, speech[:32000], motion_scale=0.5, dynamic_scale=2.0))
    openings = [(rows[:, layout.MOUTH] @ OPENING).max() for rows in (plain, scaled)]
    assert openings[1] > 1.5 * openings[0]
    for part in (layout.HEAD_ROTATION, layout.HEAD_TRANSLATION, layout.GAZE, layout.BROWS):
        assert np.allclose(scaled[:, part], 0.5 * plain[:, part], atol=1e-5)
    for part in (layout.ARTICULATION, layout.LIDS):
        assert np.array_equal(scaled[:, part], plain[:, part])


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.sampled_from([Fraction(25), Fraction(10), Fraction(30), Fraction(60), Fraction(30000, 1001)]),
    st.integers(0, 3),
)
def test_pieces_read_at_any_rate_are_the_whole_read_at_that_rate(sizes, fps, extra):
    rows = np.random.default_rng(0).standard_normal((sum(sizes), 3)).astype(np.float32)
    count = max(1, int(len(rows) * fps / 25) + extra)
    pieces = np.split(rows, np.cumsum(sizes)[:-1])
    expected = at_rate(np.concatenate([rows, np.repeat(rows[-1:], 8, 0)]), count, fps)
    assert np.allclose(np.concatenate(list(pieces_at_rate(pieces, count, fps))), expected, atol=1e-5)
