from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from sonic_core.clip import Audio, Clip
from sonic_core.errors import ModelError, SettingsError
from sonic_core.video.interpolate import interpolate, load_rife, sampled
from sonic_core.video.rife import IFNet

RATES = st.fractions(min_value=1, max_value=120, max_denominator=1001)


def numbered(count: int, fps: Fraction) -> Clip:
    """Frames that say which they are: frame i is i / count all over."""
    frames = np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None, None] / count, (count, 16, 16, 3))
    return Clip.of_frames(np.ascontiguousarray(frames), fps)


def moving_disc(positions: list[float]) -> np.ndarray:
    """(n, 96, 128, 3): a disc at each x over a structured ground."""
    ground = cv2.GaussianBlur(np.random.default_rng(1).random((96, 128, 3)).astype(np.float32), (0, 0), 2) * 0.5
    frames = []
    for x in positions:
        cover = np.zeros((96, 128), np.uint8)
        cv2.circle(cover, (round(x * 256), 48 * 256), 14 * 256, 255, -1, cv2.LINE_AA, 8)
        alpha = cover[..., None].astype(np.float32) / 255
        frames.append(ground * (1 - alpha) + np.array([0.9, 0.8, 0.2], np.float32) * alpha)
    return np.stack(frames).astype(np.float32)


@settings(max_examples=40)
@given(st.integers(1, 40), RATES, RATES)
def test_durations_are_exact(count: int, source: Fraction, target: Fraction) -> None:
    out = interpolate(numbered(count, source), target, "repeat")
    assert out.fps == target
    assert out.frame_count == sum(len(chunk) for chunk in out.chunks())
    assert out.frame_count == 1 or abs(out.frame_count / out.fps - count / source) <= Fraction(1, 2) / target


@settings(max_examples=40)
@given(st.integers(2, 30), RATES, RATES)
def test_repetition_shows_the_frame_of_that_time(count: int, source: Fraction, target: Fraction) -> None:
    out = interpolate(numbered(count, source), target, "repeat")
    for k, frame in enumerate(out.frames()):
        expected = min(int(k / target * source), count - 1)
        assert round(float(frame[0, 0, 0]) * count) == expected


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(50), Fraction(60)])
def test_flow_keeps_given_frames_and_length(rate: Fraction) -> None:
    clip = Clip.of_frames(moving_disc([40 + 3 * i for i in range(6)]), Fraction(25, 2))
    out = list(interpolate(clip, rate, "flow").frames())
    assert len(out) == round(6 / Fraction(25, 2) * rate)
    given_frames = list(clip.frames())
    for k, frame in enumerate(out):
        position = k / rate * clip.fps
        if position.denominator == 1:
            assert np.array_equal(frame, given_frames[int(position)])


def test_flow_moves_and_does_not_blend() -> None:
    truth = moving_disc([50.0, 54.0, 58.0])
    out = list(interpolate(Clip.of_frames(truth[::2], Fraction(10)), 20, "flow").frames())
    error, blend = (np.abs(picture - truth[1]).mean() for picture in (out[1], truth[::2].mean(0)))
    assert error < blend / 3
    yellow = out[1][48, :, 0] > 0.8  # one disc, as wide as it is, not two half-seen ones
    assert 26 <= yellow.sum() <= 30


def test_what_appears_is_not_seen_through() -> None:
    """A mouth that opens: dark where nothing was. Between the frames it is dark or not, never half."""
    skin = np.full((96, 128, 3), 0.7, np.float32) + np.random.default_rng(0).normal(0, 0.02, (96, 128, 1)).astype(
        np.float32
    )
    shut, wide = skin.copy(), skin.copy()
    shut[47:49, 40:88] = 0.1
    wide[38:58, 40:88] = 0.1
    out = list(interpolate(Clip.of_frames(np.stack([shut, wide]), Fraction(10)), 20, "flow").frames())
    column = out[1][30:66, 64, 0]
    assert ((column > 0.25) & (column < 0.55)).sum() <= 4


def test_positions_beyond_the_ends_show_the_ends() -> None:
    clip = numbered(5, Fraction(25))
    frames = [float(f[0, 0, 0]) * 5 for f in sampled(clip, lambda k: k * 2 - 3, "repeat", frame_count=6).frames()]
    assert frames == pytest.approx([0, 0, 1, 3, 4, 4], abs=1e-5)


def test_sound_and_metadata_stay_and_the_clip_can_be_iterated_twice() -> None:
    sound = Audio(np.zeros((1, 1600), np.float32), 16000)
    clip = Clip.of_frames(moving_disc([40, 44, 48]), Fraction(10), sound).replaced(metadata={"a": "b"})
    out = interpolate(clip, 25, "flow")
    assert out.audio is sound and out.metadata == {"a": "b"}
    first, second = (np.concatenate(list(out.chunks())) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", ["flownet.pkl", "flownet.safetensors"])
def test_rife_makes_every_time_between(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    network = IFNet(4, 2).eval()
    clip = Clip.of_frames(np.ascontiguousarray(moving_disc([40, 44])[:, 32:64, 24:56]), Fraction(10))
    out = list(interpolate(clip, 30, "auto", network).frames())
    assert len(out) == 6 and all(frame.shape == (32, 32, 3) and frame.dtype == np.float32 for frame in out)
    assert np.array_equal(out[0], next(clip.frames()))
    state = {f"module.{k}": v for k, v in network.state_dict().items()}
    save = save_file if name.endswith("safetensors") else torch.save
    save(state, tmp_path / name)
    again = list(interpolate(clip, 30, "rife", load_rife(tmp_path / name)).frames())
    assert np.allclose(out[1], again[1], atol=1e-6)


def test_says_what_is_missing(tmp_path: Path) -> None:
    clip = numbered(3, Fraction(25))
    with pytest.raises(ModelError, match=r"flownet\.pkl"):
        interpolate(clip, 50, "rife")
    with pytest.raises(SettingsError, match="method"):
        interpolate(clip, 50, "magic")
    with pytest.raises(SettingsError, match="fps"):
        interpolate(clip, 0.5)
    (tmp_path / "flownet.pkl").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="again"):
        load_rife(tmp_path / "flownet.pkl")
