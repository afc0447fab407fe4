"""Motion made piece by piece: whole, repeatable, without seams, and the first piece soon."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonic_core import Settings
from sonic_core.engines.lite import layout
from sonic_core.engines.lite.ears import Ears
from sonic_core.engines.lite.engine import at_rate, pieces_at_rate
from sonic_core.engines.lite.motion import MotionModel
from sonic_core.engines.lite.motion_stream import FIRST, KNOWN, NEW, Listener, MotionStream, whole
from sonic_core.media.audio import load_audio, speech_waveform

BASIS = layout.MouthBasis.load()
OPENING = BASIS.components[:, 14, 1] - BASIS.components[:, 13, 1]


@pytest.fixture(scope="module")
def model() -> MotionModel:
    torch.set_num_threads(1)
    return MotionModel.from_folder()


@pytest.fixture(scope="module")
def speech(speech_path) -> np.ndarray:
    return np.tile(speech_waveform(load_audio(speech_path), 16000), 2)[: 8 * 16000]


def stream_of(model: MotionModel, speech: np.ndarray, **changes) -> Iterator[np.ndarray]:
    listener = Listener(model, speech, len(speech) // 640)
    motion = MotionStream(model, Settings(inference_steps=4, **changes), 1.5, KNOWN)
    return (piece.numpy() for piece in whole(listener, motion))


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
    plain = model.sample(model.listen(speech, len(rows)), steps=4).numpy()
    assert np.corrcoef(rows[:, layout.MOUTH] @ OPENING, plain[:, layout.MOUTH] @ OPENING)[0, 1] > 0.97


def test_no_jump_where_pieces_meet(pieces):
    steps = np.abs(np.diff(np.concatenate(pieces)[:, layout.HEAD_ROTATION], axis=0)).sum(1)
    seams = steps[[FIRST - 1, FIRST + NEW - 1]]
    assert seams.max() < np.percentile(steps, 99) + 0.5  # degrees


def test_scales_scale(model, speech):
    plain = next(stream_of(model, speech[:32000]))
    scaled = next(stream_of(model, speech[:32000], motion_scale=0.5, dynamic_scale=2.0))
    openings = [(rows[:, layout.MOUTH] @ OPENING).max() for rows in (plain, scaled)]
    assert openings[1] > 1.5 * openings[0]
    assert np.allclose(scaled[:, layout.HEAD_ROTATION], 0.5 * plain[:, layout.HEAD_ROTATION], atol=1e-5)


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
