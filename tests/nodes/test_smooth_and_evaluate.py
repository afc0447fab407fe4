"""The nodes Smooth and Evaluate, run on clips whose faults are known."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from sonic_core.clip import Audio, Clip
from sonic_core.errors import InputError


def made(nodes: dict[str, Any], frames: np.ndarray, audio: Audio | None = None) -> Any:
    """What travels through the SONIC_CLIP socket, of (n, h, w, 3) float32 frames at 25 fps."""
    package = nodes["SonicSmooth"].__module__.rpartition(".")[0]
    return sys.modules[package + ".sockets"].SonicClip(Clip.of_frames(frames, Fraction(25), audio))


def flickering(frames: int = 30) -> np.ndarray:
    """A still picture without a face whose brightness goes up and down by 10 % from frame to frame."""
    noise = np.random.default_rng(0).random((64, 64, 3), np.float32)
    picture = 0.3 + 0.4 * cv2.GaussianBlur(noise, (0, 0), 3)
    return np.stack([picture * (1.05 if index % 2 else 0.95) for index in range(frames)]).astype(np.float32)


def flicker(clip: Clip) -> float:
    """RMS step of the brightness between frames."""
    return float(np.diff([frame.mean() for frame in clip.frames()]).std())


def test_smoothing_is_as_strong_as_it_is_asked_to_be(nodes: dict[str, Any]) -> None:
    clip = made(nodes, flickering())
    left = {
        strength: flicker(nodes["SonicSmooth"].execute(clip=clip, strength=strength).args[0].clip)
        for strength in (0.0, 0.5, 1.0)
    }
    assert left[0.0] == pytest.approx(flicker(clip.clip))
    assert left[1.0] < 0.5 * left[0.0]
    assert 1.2 * left[1.0] < left[0.5] < 0.9 * left[0.0]


def test_smoothing_keeps_sound_and_length(nodes: dict[str, Any]) -> None:
    sound = Audio(np.zeros((1, 16000), np.float32), 16000)
    clip = nodes["SonicSmooth"].execute(clip=made(nodes, flickering(10), sound), strength=1.0).args[0].clip
    assert (clip.frame_count, clip.fps, clip.audio) == (10, 25, sound)


@pytest.fixture
def photo(portrait_path: Path) -> np.ndarray:
    """(256, 256, 3) float32 of the example portrait."""
    return np.asarray(Image.open(portrait_path).convert("RGB").resize((256, 256)), np.float32) / 255


def figures(report: str) -> dict[str, str]:
    return dict(line.split(": ") for line in report.splitlines())


def test_a_still_photo_is_like_itself_and_even(nodes: dict[str, Any], comfy: Any, photo: np.ndarray) -> None:
    clip = made(nodes, np.repeat(photo[None], 8, 0))
    report, plot = nodes["SonicEvaluate"].execute(clip=clip, portrait=torch.from_numpy(photo)[None]).args
    found = figures(report)
    assert (float(found["seconds"]), float(found["faces"])) == (0.32, 1.0)
    assert float(found["likeness"]) > 0.99
    assert float(found["flicker"]) == pytest.approx(0, abs=0.01)
    assert found["offset"] == "-", "it has no sound"
    assert plot.ndim == 4 and plot.shape[-1] == 3 and plot.std() > 0.01


def test_flicker_and_blur_are_seen(nodes: dict[str, Any], comfy: Any, photo: np.ndarray) -> None:
    still = np.repeat(photo[None], 8, 0)
    worse = np.stack([cv2.GaussianBlur(photo, (0, 0), 3) * (0.9 + 0.1 * (index % 2)) for index in range(8)])
    good, bad = (
        figures(
            nodes["SonicEvaluate"].execute(clip=made(nodes, frames), portrait=torch.from_numpy(photo)[None]).args[0]
        )
        for frames in (still, worse)
    )
    assert float(bad["flicker"]) > 5
    assert float(bad["sharpness"]) < 0.7 * float(good["sharpness"])
    assert float(bad["likeness"]) < float(good["likeness"]) - 0.05


def test_sound_is_listened_to(
    nodes: dict[str, Any], comfy: Any, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clip's own sound reaches the listener, and the curve it gives reaches the plot."""
    module = sys.modules[nodes["SonicEvaluate"].__module__]
    heard, drawn, draw = [], [], module.plot

    def listen(speech: np.ndarray, frames: int) -> np.ndarray:
        heard.append(speech)
        return np.linspace(0, 1, frames)

    def keep(path: Any, opening: Any, fps: float, expected: np.ndarray, *rest: Any, **named: Any) -> None:
        drawn.append(expected)
        draw(path, opening, fps, expected, *rest, **named)

    monkeypatch.setattr(module, "speech_opening", listen)
    monkeypatch.setattr(module, "plot", keep)
    tone = 0.3 * np.sin(np.arange(16000) / 5, dtype=np.float32)
    nodes["SonicEvaluate"].execute(clip=made(nodes, np.repeat(photo[None], 25, 0), Audio(tone[None], 16000)))
    assert len(heard) == 1 and np.abs(heard[0]).max() == pytest.approx(0.3, abs=0.05)
    assert drawn[0][-1] == 1


def test_evaluate_wants_a_clip_or_a_video(nodes: dict[str, Any], comfy: Any) -> None:
    with pytest.raises(InputError, match="either a video or a clip"):
        nodes["SonicEvaluate"].execute()
