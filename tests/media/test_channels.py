"""Any layout down to two channels without clipping, by every road alike."""

import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from sonic_core.clip import Audio
from sonic_core.media.audio import load_audio, speech_waveform
from sonic_core.media.channels import SHARES, USUAL, downmix_matrix, downmixed

VOICE = (0.9 * np.sin(np.arange(24_000) / 9)).astype(np.float32)


@given(st.lists(st.sampled_from(sorted(SHARES)), min_size=3, max_size=12, unique=True))
def test_no_layout_can_clip(names):
    matrix = downmix_matrix(tuple(names))
    assert matrix.shape == (2, len(names)) and matrix.min() >= 0
    assert matrix.sum(1).max() == pytest.approx(1)


@pytest.mark.parametrize("channels", [3, 4, 5, 6, 8])
def test_files_and_samples_in_memory_are_mixed_alike(tmp_path, channels):
    loud = np.repeat(VOICE[None], channels, 0)
    loud[0] *= 0.5
    soundfile.write(tmp_path / "a.flac", loud.T, 48_000)
    read, given_ = load_audio(tmp_path / "a.flac").samples, load_audio((loud, 48_000)).samples
    assert read.shape == given_.shape == (2, 24_000) and np.abs(read).max() <= 0.91
    assert np.abs(read - given_).max() < 1e-3


def test_low_frequency_effects_are_left_out_and_the_centre_is_heard_on_both_sides():
    names = USUAL[6]
    rumble = np.zeros((6, 100), np.float32)
    rumble[names.index("LFE")] = 1
    assert not downmixed(rumble, names).any()
    centre = np.zeros((6, 100), np.float32)
    centre[names.index("FC")] = 1
    left, right = downmixed(centre, names)
    assert left[0] == right[0] > 0.25


def test_the_layout_of_the_file_decides(tmp_path):
    """A voice in the left surround channel only comes out left."""
    samples = np.zeros((6, 4800), np.float32)
    samples[4] = VOICE[:4800]
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="5.1")
        data = np.ascontiguousarray((samples.T * 32767).astype(np.int16)).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(data, format="s16", layout="5.1")
        frame.rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    left, right = load_audio(tmp_path / "a.wav").samples
    assert np.abs(left).max() > 0.2 and not right.any()


def test_opposite_phase_is_said_and_speaks(tmp_path, caplog):
    soundfile.write(tmp_path / "a.wav", np.stack([VOICE, -0.9 * VOICE], 1), 48_000, subtype="FLOAT")
    sound = load_audio(tmp_path / "a.wav")
    assert "opposite phase" in caplog.text and "left" in caplog.text
    assert np.abs(speech_waveform(sound, 16_000)).max() > 0.8
    assert isinstance(sound, Audio)
