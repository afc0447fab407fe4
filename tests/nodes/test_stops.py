"""How long a node's work goes on between two looks for a cancel, with the real lite engine, in processor time.

The user is answered at once (`work.cancellable`); this is how long what was left behind keeps the next run waiting.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sonic_core.media.audio import load_audio, speech_waveform
from sonic_core.progress import stop_if_cancelled, stopped_by
from sonic_core.quality.lip_sync import speech_opening

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 0.5  # seconds
SPEECH = 12  # seconds: more than one of the blocks that are listened to
PREPARE = {
    "duration": 0.0,
    "face_box": "",
    "trim": False,
    "framing": "whole",
    "min_resolution": 256,
    "expand_ratio": 0.18,
    "face_index": 0,
    "lip_sync_offset": 0.0,
    "fps": 2.0,
}
SAMPLE = {
    "preset": "high_quality",
    "inference_steps": 0,
    "dynamic_scale": 1.0,
    "motion_scale": 1.0,
    "audio_guidance": 0.0,
    "image_guidance": 0.0,
    "seed": 0,
    "mood": "neutral",
    "mood_strength": 1.0,
}


@pytest.fixture
def stretches(nodes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Processor time between each two looks for a cancel, of all threads together."""
    import stand_in

    work = sys.modules[f"{stand_in.PACK}.nodes.work"]
    spent: list[float] = []
    last = [time.process_time()]
    look = work.check_left

    def looked(left: Any) -> None:
        now = time.process_time()
        spent.append(now - last[0])
        last[0] = now
        look(left)

    monkeypatch.setattr(work, "check_left", looked)
    return spent


def test_no_stretch_of_listening_sampling_or_rendering_is_long(
    nodes: dict[str, Any], comfy: Any, stretches: list[float]
) -> None:
    portrait = Image.open(ROOT / "web" / "samples" / "sonic_portrait.jpg").convert("RGB")
    photo = torch.from_numpy(np.asarray(portrait).astype(np.float32) / 255)[None]
    rate = 16_000
    noise = np.random.default_rng(0).normal(0, 0.05, SPEECH * rate).astype(np.float32)
    audio = {"waveform": torch.from_numpy(noise)[None, None], "sample_rate": rate}
    model = nodes["SonicLoadModel"].execute(model="lite", precision="auto", compile=False).args[0]
    prepared = nodes["SONIC_PreData"].execute(model=model, image=photo, audio=audio, **PREPARE).args[0][0]
    stretches.clear()  # what is loaded for the first time is not what a node does at each run
    again = nodes["SONIC_PreData"].execute(model=model, image=photo, audio=audio, **PREPARE).args[0][0]
    assert again.prepared.settings == prepared.prepared.settings
    latents = nodes["SonicSampler"].execute(model=model, predata=prepared, **SAMPLE).args[0]
    nodes["SonicRenderVideo"].execute(clip=latents, quality="high", format="mp4")
    assert len(stretches) > SPEECH
    assert max(stretches) < LONGEST, f"longest stretches: {sorted(stretches)[-5:]}"


class Cancelled(Exception):
    pass


class After:
    """A check that raises when it is called for the (`calls` + 1)th time."""

    def __init__(self, calls: int):
        self.left = calls

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled


def test_a_check_holds_inside_its_block_only() -> None:
    with pytest.raises(Cancelled), stopped_by(After(0)):
        stop_if_cancelled()
    stop_if_cancelled()


def test_lip_align_and_evaluate_stop_between_two_windows_of_listening() -> None:
    with pytest.raises(Cancelled), stopped_by(After(2)):
        speech_opening(np.zeros(3600 * 16_000, np.float32), 3600 * 25)  # minutes, if it did not stop


@pytest.mark.parametrize("blocks", [1, 3])
def test_a_sound_file_stops_between_two_blocks_of_it(blocks: int) -> None:
    with pytest.raises(Cancelled), stopped_by(After(blocks)):
        load_audio(ROOT / "web" / "samples" / "sonic_speech.flac")


def test_a_long_sound_in_memory_stops_while_it_is_made_ready_for_listening() -> None:
    sound = load_audio((np.zeros(400 * 48_000, np.float32), 48_000))
    with pytest.raises(Cancelled), stopped_by(After(3)):
        speech_waveform(sound, 16_000)
