from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from sonic_core.errors import InputError


@pytest.fixture
def tone_file(comfy: Any, tmp_path: Path) -> str:
    """Two seconds of stereo in the input folder: a tone on the left, silence on the right."""
    rate = 16000
    samples = np.zeros((2, 2 * rate), np.float32)
    samples[0] = 0.1 * np.sin(2 * math.pi * 440 * np.arange(2 * rate) / rate)
    with av.open(str(tmp_path / "input" / "tone.wav"), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1).copy(), format="flt", layout="stereo")
        frame.rate = rate
        container.mux(stream.encode(frame))
    return "tone.wav"


def run(nodes: dict[str, Any], name: str, **changes: Any) -> tuple[Any, float]:
    widgets = {"start": 0.0, "trim": 0.0, "normalise": False, "gain": 0.0, "channel": "as it is"} | changes
    return nodes["SonicLoadAudio"].execute(audio=name, **widgets).args


def test_gives_the_sound_and_its_length(nodes: dict[str, Any], tone_file: str) -> None:
    audio, seconds = run(nodes, tone_file)
    assert audio["waveform"].shape == (1, 2, 32000)
    assert audio["sample_rate"] == 16000
    assert seconds == 2.0


def test_cuts_picks_a_channel_and_amplifies(nodes: dict[str, Any], tone_file: str) -> None:
    audio, seconds = run(nodes, tone_file, start=0.5, trim=1.0, gain=6.0, channel="left")
    assert audio["waveform"].shape == (1, 1, 16000)
    assert seconds == 1.0
    assert float(audio["waveform"].max()) == pytest.approx(0.1 * 10 ** (6 / 20), rel=0.01)


def test_a_delay_is_silence_before_it(nodes: dict[str, Any], tone_file: str) -> None:
    audio, seconds = run(nodes, tone_file, trim=1.0, channel="left", delay=0.5)
    assert (audio["waveform"].shape, seconds) == ((1, 1, 24000), 1.5)
    assert float(audio["waveform"][..., :8000].abs().max()) == 0 < float(audio["waveform"][..., 8000:].abs().max())


def test_start_past_the_end_is_said(nodes: dict[str, Any], tone_file: str) -> None:
    with pytest.raises(InputError, match=r"start is 5 s but the audio is only 2.00 s long"):
        run(nodes, tone_file, start=5.0)


@pytest.mark.parametrize("name", ["../secret.wav", "/etc/passwd", "../secret.wav [output]", "gone.wav"])
def test_only_files_of_comfyui_are_read(nodes: dict[str, Any], comfy: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.wav").write_bytes(b"RIFF")
    assert "upload it or choose one from the list" in str(nodes["SonicLoadAudio"].validate_inputs(audio=name))
    with pytest.raises(InputError):
        run(nodes, name)


def test_a_link_out_of_the_input_folder_is_not_followed(nodes: dict[str, Any], comfy: Any, tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(b"RIFF")
    (tmp_path / "input" / "link.wav").symlink_to(tmp_path / "secret.wav")
    with pytest.raises(InputError, match="outside"):
        run(nodes, "link.wav")


def test_a_changed_file_is_loaded_again(nodes: dict[str, Any], tone_file: str, tmp_path: Path) -> None:
    before = nodes["SonicLoadAudio"].fingerprint_inputs(audio=tone_file)
    os.utime(tmp_path / "input" / tone_file, (1, 1))
    assert nodes["SonicLoadAudio"].fingerprint_inputs(audio=tone_file) != before
