from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from sonic_core.clip import Audio, Clip
from sonic_core.errors import InputError
from sonic_core.face.points import LEFT_LID_PAIRS, LIP_PAIRS, RIGHT_LID_PAIRS, RIGID
from sonic_core.quality.plot import HEIGHT, WIDTH, plot
from sonic_core.quality.report import aligned_face, blinks_per_minute, evaluate, flicker, jitter, upper_face_ssim

COUNT = 75


def texture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).random((96, 96, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 2)
    return (soft - soft.min()) / (soft.max() - soft.min()) * 0.8 + 0.1


def face(gap: float = 0.0, lids: float = 4.0, shift: float = 0.0) -> np.ndarray:
    """(478, 3) landmarks of a face 60 px high in a picture of 96."""
    landmarks = np.random.default_rng(0).uniform(30, 60, (478, 3)).astype(np.float32)
    landmarks[[10, 152, 33, 263], :2] = [[48, 18], [48, 78], [34, 42], [62, 42]]
    for pairs, distance in ((LIP_PAIRS, gap), (RIGHT_LID_PAIRS, lids), (LEFT_LID_PAIRS, lids)):
        for upper, lower in pairs:
            landmarks[lower, :2] = landmarks[upper, :2] + [0, distance]
    landmarks[:, 0] += shift
    return landmarks


def opening(times: np.ndarray) -> np.ndarray:
    return 2 + np.sin(2 * np.pi * 1.3 * times) + np.sin(2 * np.pi * 2.9 * times + 1)


def tracker_of(faces: list[np.ndarray | None]):
    """A tracker factory that gives these landmarks one after another; the portrait's comes from its own pass."""
    return lambda: iter_tracker(list(faces))


def iter_tracker(faces: list[np.ndarray | None]):
    return lambda frame: faces.pop(0)


def clip_of(frames: np.ndarray) -> Clip:
    sound = np.random.default_rng(1).normal(0, 0.1, (1, len(frames) * 640)).astype(np.float32)
    return Clip.of_frames(frames.astype(np.float32), Fraction(25), Audio(sound, 16000))


def test_reports_offset_blinks_and_likeness() -> None:
    times = (np.arange(COUNT) + 0.5) / 25
    lids = np.full(COUNT, 4.0)
    lids[20:23] = lids[50:53] = 0.5
    faces = [face(g, lid) for g, lid in zip(opening(times - 0.1), lids, strict=True)]
    picture = texture()
    clip = clip_of(np.broadcast_to(picture, (COUNT, 96, 96, 3)))
    portrait = (picture * 255 + 0.5).astype(np.uint8)
    report, tracks = evaluate(clip, portrait, tracker_of(faces), lambda speech, n: opening((np.arange(n) + 0.5) / 25))
    assert report.faces == 1 and report.seconds == 3
    assert report.offset == pytest.approx(0.1, abs=0.015) and report.lip_speech_correlation > 0.95
    assert report.blinks_per_minute == pytest.approx(40)
    assert report.likeness > 0.98 and report.jitter == 0 and report.flicker == 0
    assert tracks.opening.shape == (COUNT,)


def test_without_face_or_sound_there_are_no_figures() -> None:
    clip = clip_of(np.full((10, 96, 96, 3), 0.5))
    report, _ = evaluate(clip, None, tracker_of([None] * 10), lambda speech, n: np.zeros(n))
    assert report.faces == 0 and report.offset is None and report.jitter is None and report.likeness is None
    silent, _ = evaluate(clip.replaced(audio=None), None, tracker_of([face()] * 10))
    assert silent.offset is None and silent.faces == 1


def test_portrait_needs_a_face() -> None:
    with pytest.raises(InputError, match="portrait"):
        evaluate(clip_of(np.zeros((2, 96, 96, 3))), np.zeros((96, 96, 3), np.uint8), tracker_of([None]))


def test_jitter_is_of_points_and_not_of_steady_motion() -> None:
    height = np.full(50, 100.0)
    line = np.broadcast_to(np.arange(50.0)[:, None, None], (50, len(RIGID), 2))
    assert jitter(line, height) == pytest.approx(0)
    shaking = line + np.random.default_rng(0).normal(0, 0.1, line.shape)
    assert jitter(shaking, height) == pytest.approx(1000 * 0.1 * np.sqrt(6 * 2) / 100, rel=0.1)


def test_flicker_is_in_percent() -> None:
    assert flicker(np.linspace(0, 1, 50)) == pytest.approx(0, abs=1e-9)
    assert flicker(np.random.default_rng(0).normal(0, 0.01, 5000)) == pytest.approx(np.sqrt(6), rel=0.05)


def test_long_shut_eyes_are_no_blink() -> None:
    eyes = np.full(100, 1.0)
    eyes[10:13] = 0.1
    eyes[40:90] = 0.1
    assert blinks_per_minute(eyes, 25.0) == pytest.approx(60 * 1 / 4)


def test_likeness_falls_with_difference() -> None:
    same, blurred, other = texture(), cv2.GaussianBlur(texture(), (0, 0), 1.5), texture(5)
    crops = [aligned_face((picture * 255).astype(np.uint8), face()) for picture in (same, blurred, other)]
    alike = [upper_face_ssim(crop, crops[0]) for crop in crops]
    assert alike[0] > 0.999 > alike[1] > alike[2]


def test_draws_a_picture(tmp_path: Path) -> None:
    seen = opening(np.arange(75) / 25)
    seen[10:15] = np.nan
    plot(
        tmp_path / "plot.png",
        seen,
        25,
        opening(np.arange(75) / 25),
        25,
        np.sin(np.arange(48000) / 50),
        16000,
        "说话 test",
    )
    image = cv2.imread(str(tmp_path / "plot.png"))
    assert image.shape == (HEIGHT, WIDTH, 3) and (image < 128).any()
