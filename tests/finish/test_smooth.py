from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from sonic_core.clip import Clip
from sonic_core.errors import SettingsError
from sonic_core.finish.smooth import polynomial_weights, smooth
from sonic_core.video.optical_flow import FlowEstimator, warp

COUNT, SIDE = 24, 96


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    noise = np.random.default_rng(0).random((SIDE, SIDE, 3)).astype(np.float32)
    soft = sum(cv2.GaussianBlur(noise, (0, 0), s) / cv2.GaussianBlur(noise, (0, 0), s).std() for s in (1.5, 4, 10))
    return ((soft - soft.min()) / (soft.max() - soft.min()) * 0.7 + 0.15).astype(np.float32)


def moved(picture: np.ndarray, shift: np.ndarray) -> np.ndarray:
    flow = np.broadcast_to(-np.asarray(shift, np.float32), (*picture.shape[:2], 2))
    return warp(picture, flow, cv2.INTER_LANCZOS4).clip(0, 1)


def no_face(frame: np.ndarray) -> None:
    return None


def frames_of(clip: Clip) -> np.ndarray:
    return np.concatenate(list(clip.chunks()))


def shifts_of(frames: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """(n, 2) where the picture is in each frame."""
    estimator = FlowEstimator(SIDE, SIDE)
    base = estimator.prepare(picture)
    flows = [estimator.between(base, estimator.prepare(frame)) for frame in frames]
    return np.stack([np.median(flow[16:-16, 16:-16].reshape(-1, 2), 0) for flow in flows])


@pytest.fixture(scope="module")
def nodding() -> np.ndarray:
    """(n, 2) a nod of 1 Hz and 4 pixels."""
    return np.stack([np.zeros(COUNT), 4 * np.sin(2 * np.pi * np.arange(COUNT) / 25)], -1)


def test_strength_nothing_is_the_clip_itself(picture: np.ndarray) -> None:
    clip = Clip.of_frames(picture[None], Fraction(25))
    assert smooth(clip, 0.0, lambda: no_face) is clip


def test_jitter_goes_and_the_nod_stays(picture: np.ndarray, nodding: np.ndarray) -> None:
    jitter = np.random.default_rng(1).normal(0, 0.7, (COUNT, 2))
    clip = Clip.of_frames(np.stack([moved(picture, s) for s in nodding + jitter]), Fraction(25))
    left = shifts_of(frames_of(smooth(clip, 1.0, lambda: no_face)), picture) - nodding
    assert np.diff(left, axis=0).std() < 0.3 * np.diff(jitter, axis=0).std()
    assert abs(left).max() < 1.2


def test_flicker_goes_and_the_picture_stays(picture: np.ndarray) -> None:
    gains = np.exp(np.random.default_rng(2).normal(0, 0.04, COUNT)).astype(np.float32)
    clip = Clip.of_frames((picture * gains[:, None, None, None]).clip(0, 1), Fraction(25))
    out = frames_of(smooth(clip, 1.0, lambda: no_face))
    before, after = (np.diff(np.log(frames.mean((1, 2, 3)))).std() for frames in (frames_of(clip), out))
    assert after < 0.2 * before
    assert abs(np.log(out[-1].mean() / picture.mean())) < 0.03


def test_noise_goes_and_sharpness_stays(picture: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    noisy = (picture + rng.normal(0, 0.02, (8, *picture.shape))).clip(0, 1).astype(np.float32)
    out = frames_of(smooth(Clip.of_frames(noisy, Fraction(25)), 1.0, lambda: no_face))
    assert np.abs(out - picture).std() < 0.75 * np.abs(noisy - picture).std()
    clean = Clip.of_frames(np.broadcast_to(picture, (6, *picture.shape)).copy(), Fraction(25))
    same = frames_of(smooth(clean, 1.0, lambda: no_face))
    sharpness = [cv2.Laplacian(x, cv2.CV_32F).var() for x in (picture, same[3])]
    assert sharpness[1] > 0.97 * sharpness[0]


def test_what_speaks_has_no_say_and_is_not_averaged(picture: np.ndarray) -> None:
    """A mouth patch that changes in every frame comes out as it went in, jitter aside."""
    rng = np.random.default_rng(4)
    landmarks = np.zeros((478, 3), np.float32)
    angle = np.linspace(0, 2 * np.pi, 478, endpoint=False)
    landmarks[:, 0], landmarks[:, 1] = 48 + 10 * np.sin(angle), 68 + 8 * np.cos(angle)  # everything is the mouth
    landmarks[10, :2], landmarks[152, :2] = (48, 10), (48, 88)
    frames = np.broadcast_to(picture, (10, *picture.shape)).copy()
    for frame in frames:
        frame[62:75, 42:55] = rng.random((1, 1, 3))
    out = frames_of(smooth(Clip.of_frames(frames, Fraction(25)), 1.0, lambda: lambda frame: landmarks))
    inside = (slice(None), slice(64, 73), slice(44, 53))
    assert np.abs(out[inside] - frames[inside]).max() < 0.03


def test_a_cut_stays_a_cut(picture: np.ndarray) -> None:
    other = np.ascontiguousarray(1 - picture[::-1])
    frames = np.stack([picture] * 8 + [other] * 8)
    out = frames_of(smooth(Clip.of_frames(frames, Fraction(25)), 1.0, lambda: no_face))
    assert np.abs(out[7] - picture).mean() < 0.01 and np.abs(out[8] - other).mean() < 0.01


def test_weights_keep_what_a_polynomial_keeps() -> None:
    for before in range(6):
        for after in range(6):
            offsets = tuple(range(-before, after + 1))
            weights = polynomial_weights(offsets)
            assert weights.sum() == pytest.approx(1, abs=1e-5)
            if len(offsets) >= 4:
                assert (weights * np.array(offsets)).sum() == pytest.approx(0, abs=1e-4)


def test_refuses_other_strengths(picture: np.ndarray) -> None:
    for strength in (-0.1, 1.5, float("nan")):
        with pytest.raises(SettingsError, match="strength"):
            smooth(Clip.of_frames(picture[None], Fraction(25)), strength)


def test_strength_says_how_much(picture: np.ndarray) -> None:
    """Half as strong takes out part of the noise that full strength takes out."""
    noise = np.random.default_rng(0).normal(0, 0.02, (6, *picture.shape)).astype(np.float32)
    clip = Clip.of_frames((picture[None] + noise).clip(0, 1), Fraction(25))

    def left(strength: float) -> float:
        frames = np.stack(list(smooth(clip, strength).frames()))
        return float(np.abs(frames - picture)[1:-1].mean())

    assert left(1.0) < 0.95 * left(0.5) and left(0.5) < 0.95 * left(0.0)
