"""Cuts are found, and pans and flashes are no cuts."""

import numpy as np

from sonic_core.dub.shots import CutDetector


def cuts(frames) -> list[int]:
    detector = CutDetector()
    return [index for index, frame in enumerate(frames) if detector(frame)]


def scene(seed: int) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(0, 255, (9, 16, 3), np.uint8)
    return blocks.repeat(20, 0).repeat(20, 1)


def test_every_change_of_scene_is_a_cut():
    frames = [scene(1)] * 5 + [scene(2)] * 3 + [scene(1)] * 4
    assert cuts(frames) == [0, 5, 8]


def test_another_speaker_in_the_same_studio_is_a_cut():
    rng = np.random.default_rng(0)
    first, second = scene(1) // 4 + 90, scene(2) // 4 + 90  # two pictures that differ by 0.08 on average
    frames = [np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255) for picture in [first] * 6 + [second] * 6]
    assert cuts([frame.astype(np.uint8) for frame in frames]) == [0, 6]


def test_a_pan_is_no_cut():
    wide = np.concatenate([scene(1), scene(2)], 1)
    assert cuts([wide[:, 4 * k : 4 * k + 320] for k in range(40)]) == [0]


def test_grain_is_no_cut():
    rng = np.random.default_rng(0)
    frames = [np.clip(scene(1).astype(int) + rng.integers(-20, 20, (180, 320, 3)), 0, 255) for _ in range(10)]
    assert cuts([frame.astype(np.uint8) for frame in frames]) == [0]
