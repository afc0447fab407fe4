from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_core.engines.lite import layout
from sonic_core.engines.lite.motion import WINDOW, MotionModel, loudness, pieces, read_net
from sonic_core.errors import ModelError
from sonic_core.sampling import circular_windows

# How far the inner lips stand apart, in whatever unit: the basis is linear.
BASIS = layout.MouthBasis.load()
OPENING = BASIS.components[:, 14, 1] - BASIS.components[:, 13, 1]
FACE_HEIGHT = np.linalg.norm(BASIS.rest[10] - BASIS.rest[152])


@pytest.fixture(scope="module")
def model() -> MotionModel:
    torch.set_num_threads(1)
    return MotionModel.from_folder()


@cache
def spoken() -> np.ndarray:
    """The demo's speech, 8.5 s at 16 kHz."""
    resampler = av.AudioResampler("fltp", "mono", 16000)
    with av.open(str(Path(__file__).parents[3] / "web" / "samples" / "sonic_speech.flac")) as container:
        parts = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate(parts)


def speech(seconds: float) -> np.ndarray:
    return spoken()[: round(seconds * 16000)]


@pytest.mark.parametrize("frames", [1, 2, 31, WINDOW, WINDOW + 1, 3 * WINDOW + 5])
def test_as_many_rows_as_frames(model, frames):
    latents = model.sample(model.listen(speech(2.0), frames), steps=2)
    assert latents.shape == (frames, layout.CHANNELS)
    assert latents.isfinite().all()
    assert latents[:, layout.LIDS].min() >= 0 and latents[:, layout.LIDS].max() <= 1


def test_a_seed_repeats_and_another_moves_the_head_but_not_the_lips(model):
    heard = model.listen(speech(4.0), 100)
    first, again, other = (model.sample(heard, steps=12, seed=seed).numpy() for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    lips = [latents[:, layout.MOUTH] @ OPENING for latents in (first, other)]
    assert lips[0].std() > 0.01 * FACE_HEIGHT  # they do speak
    assert np.array_equal(*lips)
    assert np.abs(first[:, layout.HEAD_ROTATION] - other[:, layout.HEAD_ROTATION]).max() > 0.5  # degrees


def test_silence_rests_the_lips_and_keeps_the_face_alive(model):
    latents = model.sample(model.listen(np.zeros(16000 * 10, np.float32), 250), steps=10, seed=3).numpy()
    assert np.percentile(latents[:, layout.MOUTH] @ OPENING, 95) < 0.01 * FACE_HEIGHT
    assert latents[:, layout.HEAD_ROTATION].std(0).max() > 0.1
    assert latents[:, layout.LIDS].max() > 0.5


def test_scales_scale(model):
    heard = model.listen(speech(1.0), 25)
    plain = model.sample(heard, steps=4)
    scaled = model.sample(heard, steps=4, dynamic_scale=2.0, motion_scale=0.5)
    openings = [(latents[:, layout.MOUTH].numpy() @ OPENING).max() for latents in (plain, scaled)]
    assert openings[1] > 1.5 * openings[0]
    assert torch.equal(scaled[:, layout.ARTICULATION], plain[:, layout.ARTICULATION])
    for part in (layout.HEAD_ROTATION, layout.HEAD_TRANSLATION, layout.GAZE, layout.BROWS):
        assert torch.allclose(scaled[:, part], 0.5 * plain[:, part])
    assert torch.equal(scaled[:, layout.LIDS], plain[:, layout.LIDS])


def test_raising_from_on_step_cancels(model):
    class Cancelled(Exception):
        pass

    seen = []

    def on_step(done, total, preview):
        seen.append((done, total))
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        model.sample(model.listen(speech(1.0), 25), steps=6, on_step=on_step)
    assert seen == [(1, 6), (2, 6)]


@settings(max_examples=50, deadline=None)
@given(frames=st.integers(1, 700), length=st.integers(2, 130), start=st.integers(-50, 50), data=st.data())
def test_pieces_cover_every_entry_once_and_never_jump(frames, length, start, data):
    length = min(length, frames)
    indices = circular_windows(frames, length, data.draw(st.integers(0, length - 1)) // 2, start)
    covered = torch.zeros_like(indices)
    for rows, columns in pieces(indices):
        covered[rows, columns] += 1
        part = indices[rows, columns]
        assert (part[:, 1:] - part[:, :-1] == 1).all()
    assert (covered == 1).all()


def test_loudness_is_relative_and_silence_is_zero():
    x = speech(2.0)
    loud = loudness(x, 50)
    assert loud.shape == (50,) and 0 <= loud.min() < 0.6 and loud.max() >= 1 - 1e-6
    assert np.allclose(loudness(0.25 * x, 50), loud, atol=0.01)
    assert np.array_equal(loudness(np.zeros(16000, np.float32), 25), np.zeros(25, np.float32))
    assert len(loudness(x[:10], 50)) == 50


def test_a_missing_or_strange_file_is_named(tmp_path):
    with pytest.raises(ModelError, match="missing"):
        read_net(tmp_path / "motion.safetensors")
    with pytest.raises(ModelError, match="motion network"):
        read_net(layout.WEIGHTS / "mouth_basis.safetensors")
