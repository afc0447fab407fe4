"""A video cut out frame by frame does not flicker."""

from pathlib import Path

import numpy as np
from PIL import Image

from sonic_core.matting.video import cut_frames, steadied


def test_frames_of_a_still_person_have_a_steady_edge(portrait_path: Path) -> None:
    photo = np.asarray(Image.open(portrait_path).convert("RGB").resize((160, 160))).astype(np.float32)
    rng = np.random.default_rng(0)
    noisy = [(photo + rng.normal(0, 6, photo.shape)).clip(0, 255).astype(np.uint8) for _ in range(4)]
    frames = [frame[..., 3].astype(float) for frame in cut_frames(noisy)]
    assert frames[0][70:80, 75:85].min() == 255 and frames[0][:15, :15].max() == 0
    assert np.abs(frames[3] - frames[2]).mean() < 1.5


def test_movement_counts_at_once() -> None:
    before, now = np.zeros((4, 4), np.float32), np.ones((4, 4), np.float32)
    assert np.array_equal(steadied(now, before), now)
    assert np.allclose(steadied(before + 0.05, before), 0.05 - 0.7 * 0.8 * 0.05)
