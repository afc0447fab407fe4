from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from sonic_core.clip import Clip
from sonic_core.errors import InputError
from sonic_core.face.crop import Box
from sonic_core.finish.paste_back import cover_of, paste_back
from sonic_core.video.optical_flow import warp

SIZE = (128, 128)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(max(((a - b) ** 2).mean(), 1e-15)))


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """uint8 (300, 400, 3): soft shapes with fine grain on them."""
    rng = np.random.default_rng(0)
    soft = cv2.GaussianBlur(rng.random((300, 400, 3)).astype(np.float32), (0, 0), 9)
    soft = (soft - soft.min()) / (soft.max() - soft.min())
    return ((0.15 + 0.7 * soft + rng.normal(0, 0.03, (300, 400, 1))).clip(0, 1) * 255).astype(np.uint8)


def face_at(x: float, y: float, tall: float) -> np.ndarray:
    """(478, 3) landmarks good enough for an outline: an oval of points, top at 10 and chin at 152."""
    angle = np.linspace(0, 2 * np.pi, 478, endpoint=False)
    points = np.stack([x + 0.35 * tall * np.sin(angle), y - 0.5 * tall * np.cos(angle), 0 * angle], -1)
    points[10, :2], points[152, :2] = (x, y - tall / 2), (x, y + tall / 2)
    return points.astype(np.float32)


def portrait_of(photo: np.ndarray, crop: Box) -> np.ndarray:
    x1, y1, x2, y2 = crop
    return cv2.resize(photo[y1:y2, x1:x2, :3], SIZE, interpolation=cv2.INTER_AREA)


def clip_of(*frames: np.ndarray) -> Clip:
    return Clip.of_frames(np.stack(frames).astype(np.float32), Fraction(25))


@pytest.mark.parametrize("crop", [(100, 50, 300, 250), (0, 0, 200, 200), (250, 150, 400, 300), (120, 80, 200, 160)])
@pytest.mark.parametrize("with_face", [True, False])
def test_a_still_face_gives_back_the_photo(photo: np.ndarray, crop: Box, with_face: bool) -> None:
    portrait = portrait_of(photo, crop)
    face = face_at((crop[0] + crop[2]) / 2, (crop[1] + crop[3]) / 2, 0.5 * (crop[3] - crop[1])) if with_face else None
    out = next(paste_back(clip_of(portrait / 255), photo, crop, portrait, face).frames())
    assert out.shape == photo.shape and out.dtype == np.float32
    assert psnr(out, photo / 255) > 60


def test_colour_drift_is_taken_away(photo: np.ndarray) -> None:
    crop = (100, 50, 300, 250)
    portrait = portrait_of(photo, crop)
    drifted = (portrait / 255 * [1.06, 1.0, 0.95] + [0.02, -0.01, 0.03]).clip(0, 1)
    out = next(paste_back(clip_of(drifted), photo, crop, portrait, face_at(200, 150, 100)).frames())
    naive = photo / 255.0
    naive[50:250, 100:300] = cv2.resize(drifted, (200, 200))
    assert psnr(out, photo / 255) > 45 > 35 > psnr(naive, photo / 255)
    difference = out - photo / 255
    assert np.abs(difference.mean((0, 1))).max() < 1e-3
    assert np.abs(np.diff(difference, axis=1)).max() < 0.02  # no seam


def test_motion_shows_with_the_detail_of_the_photo(photo: np.ndarray) -> None:
    crop = (100, 50, 300, 250)
    x1, y1, x2, y2 = crop
    y, x = np.mgrid[0:300, 0:400].astype(np.float32)
    bump = np.exp(-(((x - 200) ** 2 + (y - 160) ** 2) / (2 * 25**2)))
    moved = warp(photo.astype(np.float32) / 255, np.stack([0 * bump, -6 * bump], -1), cv2.INTER_CUBIC)
    frame = cv2.resize(moved[y1:y2, x1:x2], SIZE, interpolation=cv2.INTER_AREA)
    out = next(paste_back(clip_of(frame), photo, crop, portrait_of(photo, crop), face_at(200, 150, 110)).frames())
    plain = moved.copy()
    plain[y1:y2, x1:x2] = cv2.resize(frame, (200, 200), interpolation=cv2.INTER_CUBIC)
    assert psnr(out, moved) > psnr(plain, moved) + 3
    assert psnr(out, moved) > psnr(photo / 255, moved) + 6


def test_noise_does_not_make_the_face_tremble(photo: np.ndarray) -> None:
    crop = (100, 50, 300, 250)
    portrait = portrait_of(photo, crop)
    rng = np.random.default_rng(1)
    noisy = [(portrait / 255 + rng.normal(0, 0.004, portrait.shape)).clip(0, 1) for _ in range(4)]
    frames = list(paste_back(clip_of(*noisy), photo, crop, portrait, face_at(200, 150, 110)).frames())
    greys = [frame[60:240, 110:290].mean(-1).astype(np.float64) for frame in frames]
    window = cv2.createHanningWindow((180, 180), cv2.CV_64F)
    shifts = [cv2.phaseCorrelate(greys[0], grey, window)[0] for grey in greys[1:]]
    assert np.abs(shifts).max() < 0.05


def test_nothing_outside_the_crop_and_no_other_face_is_touched(photo: np.ndarray) -> None:
    crop = (60, 40, 260, 240)
    mine, other = face_at(150, 140, 100), face_at(235, 140, 60)
    portrait = portrait_of(photo, crop)
    strange = np.flip(portrait / 255, 0)
    out = next(paste_back(clip_of(strange), photo, crop, portrait, mine, [other]).frames())
    changed = np.abs(out - photo / 255).max(-1) > 0.01
    assert changed[110:170, 120:180].mean() > 0.5
    changed[40:240, 60:260] = False
    assert not changed.any()
    alone = np.abs(out - photo / 255)[115:165, 220:250].max()
    assert alone < 1e-5


def test_alpha_is_laid_over_white(photo: np.ndarray) -> None:
    alpha = np.zeros((300, 400, 1), np.uint8)
    alpha[100:200, 150:250] = 255
    crop = (100, 50, 300, 250)
    white = np.where(alpha > 0, photo, 255).astype(np.uint8)
    portrait = portrait_of(white, crop)
    out = next(paste_back(clip_of(portrait / 255), np.dstack([photo, alpha]), crop, portrait).frames())
    assert psnr(out, white / 255) > 60


def test_cover_fades_inside_the_crop_but_not_at_the_photos_border() -> None:
    inside = cover_of((100, 50, 300, 250), (400, 300), face_at(200, 150, 110), [])
    assert inside[100, 100] == 1
    assert max(inside[0].max(), inside[-1].max(), inside[:, 0].max(), inside[:, -1].max()) < 0.02
    assert np.abs(np.diff(inside, axis=0)).max() < 0.2 and np.abs(np.diff(inside, axis=1)).max() < 0.2
    at_border = cover_of((0, 0, 200, 200), (400, 300), face_at(50, 90, 110), [])
    assert at_border[90, 0] == 1


def test_refuses_a_crop_outside_the_photo(photo: np.ndarray) -> None:
    with pytest.raises(InputError, match="crop"):
        paste_back(clip_of(np.zeros((128, 128, 3))), photo, (300, 200, 500, 400))
