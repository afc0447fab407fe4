"""Where live sound comes from: a pipe, a microphone, files."""

import os
import threading
from types import SimpleNamespace

import av
import numpy as np
import pytest
import soundfile
from bar_talk import tone

from sonic_core.errors import InputError
from sonic_core.live import sources


def test_a_pipe_ends_with_its_writer(monkeypatch, tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(1.0), 48000)
    end, mouth = os.pipe()
    os.write(mouth, (tmp_path / "a.wav").read_bytes()[:60_000])
    os.close(mouth)
    monkeypatch.setattr(sources.sys, "stdin", SimpleNamespace(fileno=lambda: end))
    heard = np.concatenate([samples for samples, _ in sources.standard_input(threading.Event())])
    os.close(end)
    assert len(heard) == pytest.approx(30_000, abs=100) and np.abs(heard - tone(1.0)[: len(heard)]).max() < 1e-3


ALSA = """
pcm.!null {{ type null }}
pcm.fake {{ type file; slave.pcm null; file /dev/null; infile {sound}; format raw }}
"""


@pytest.mark.skipif("alsa" not in av.formats_available, reason="this PyAV cannot record")
def test_a_microphone_is_heard(monkeypatch, tmp_path):
    """ALSA's own file plugin stands in for the device."""
    sound = np.repeat((tone(1.0) * 32767).astype("<i2"), 2)  # 48 kHz, stereo
    (tmp_path / "sound.raw").write_bytes(sound.tobytes())
    (tmp_path / "asound.conf").write_text(ALSA.format(sound=tmp_path / "sound.raw"))
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asound.conf"))
    pieces, heard = sources.microphone("fake"), np.zeros(0, np.float32)
    while len(heard) < 24_000:
        heard = np.concatenate([heard, next(pieces)[0]])
    pieces.close()
    assert np.abs(heard[:24_000] - tone(1.0)[:24_000]).max() < 2e-3
    with pytest.raises(InputError, match="'none' cannot be opened"):
        sources.microphone("none")


def test_files_are_spoken_in_turn_as_loud_as_they_are(tmp_path):
    """Two channels alike: FFmpeg's own mono of them would be 3 dB louder, and clipped."""
    both = np.stack([tone(0.5), tone(0.5)], 1) * 1.9  # of at most 1
    soundfile.write(tmp_path / "a.wav", both, 48000, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", tone(0.5, 16000), 16000)
    heard = np.concatenate([samples for samples, _ in sources.playlist([tmp_path / "a.wav", tmp_path / "b.wav"])])
    assert len(heard) == pytest.approx(48_000, abs=50)
    assert np.abs(heard[:24_000]).max() == pytest.approx(0.95, abs=1e-3)
    assert np.abs(heard[26_000:]).max() == pytest.approx(0.5, abs=0.02)
    looped = sources.playlist([tmp_path / "b.wav"], loop=True)
    assert sum(len(next(looped)[0]) for _ in range(60)) > 48_000
    with pytest.raises(InputError, match="does not exist"):
        sources.playlist([tmp_path / "b.wav", tmp_path / "c.wav"])
