import av
import numpy as np
import pytest
import soundfile
import torch

from sonic_core.clip import Audio
from sonic_core.errors import InputError, SettingsError
from sonic_core.media import audio as module
from sonic_core.media.audio import cut, fit_duration, load_audio, sound_for, speech_waveform
from sonic_core.settings import Settings


def noise(channels=1, seconds=0.5, rate=16000) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((channels, int(seconds * rate)))).astype(np.float32)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (22050, 2), (44100, 1), (48000, 2), (96000, 6)])
def test_files_of_every_rate_and_layout(tmp_path, rate, channels):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(channels, 0.5, rate).T, rate, subtype="FLOAT")
    audio = load_audio(path)
    assert audio.rate == min(rate, 48000) and audio.samples.shape[0] == min(channels, 2)
    assert audio.seconds == pytest.approx(0.5, abs=0.002) and audio.samples.dtype == np.float32


def test_wav_samples_come_back_as_written(tmp_path):
    samples = noise()
    soundfile.write(tmp_path / "a.wav", samples.T, 16000, subtype="FLOAT")
    assert np.allclose(load_audio(tmp_path / "a.wav").samples, samples, atol=1e-6)


def test_samples_and_rate_as_numpy_torch_and_integers():
    samples = noise()
    for given in (samples[0], samples, torch.from_numpy(samples)[None], (samples * 32767).astype(np.int16)):
        assert np.allclose(load_audio((given, 16000)).samples, samples, atol=1e-4)


def test_resampling_keeps_length_and_pitch():
    time = np.arange(48000) / 48000
    speech = speech_waveform(Audio(np.sin(2 * np.pi * 440 * time).astype(np.float32)[None], 48000), 16000)
    assert speech.shape == (16000,) and speech.dtype == np.float32
    assert np.abs(np.fft.rfft(speech)).argmax() == 440


def test_cut_keeps_the_asked_part(tone):
    part = cut(tone, 0.25, 0.75)
    assert np.array_equal(part.samples, tone.samples[:, 4000:12000])


def test_duration_must_agree_with_the_audio_unless_trimming(tone):
    assert fit_duration(tone, Settings(duration=1.08)) is tone
    with pytest.raises(SettingsError, match=r"0\.5 s.*1\.00 s"):
        fit_duration(tone, Settings(duration=0.5))
    with pytest.raises(SettingsError, match="longer audio"):
        fit_duration(tone, Settings(duration=2.0, trim=True))
    assert fit_duration(tone, Settings(duration=0.5, trim=True)).seconds == 0.5


def video_without_sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        container.mux(stream.encode(None))


def test_bad_files_get_one_sentence(tmp_path, monkeypatch):
    def refused(path, says):
        with pytest.raises(InputError, match=says):
            load_audio(path)

    refused(tmp_path / "none.wav", "does not exist")
    (tmp_path / "empty.wav").write_bytes(b"")
    refused(tmp_path / "empty.wav", "empty")
    (tmp_path / "text.mp3").write_bytes(b"this is no sound at all" * 20)
    refused(tmp_path / "text.mp3", "cannot be read|no sound")
    soundfile.write(tmp_path / "no_samples.wav", np.zeros((0, 1)), 16000)
    refused(tmp_path / "no_samples.wav", "no samples")
    video_without_sound(tmp_path / "silent.mp4")
    refused(tmp_path / "silent.mp4", "holds no sound")
    bad = noise()
    bad[0, 100] = np.nan
    soundfile.write(tmp_path / "nan.wav", bad.T, 16000, subtype="FLOAT")
    refused(tmp_path / "nan.wav", "not finite")
    monkeypatch.setattr(module, "MAX_SECONDS", 0.2)
    soundfile.write(tmp_path / "long.wav", noise().T, 16000)
    refused(tmp_path / "long.wav", "limit")


@pytest.mark.parametrize(
    "source",
    [(np.zeros((3, 4, 5)), 16000), (np.zeros(100), 16000.5), (np.zeros(100), 10), (np.array(["a"]), 16000), 7],
    ids=["shape", "rate type", "rate range", "text", "no audio"],
)
def test_bad_samples_get_one_sentence(source):
    with pytest.raises(InputError):
        load_audio(source)


def test_the_wanted_channel_is_the_sound() -> None:
    left, right = np.full(16_000, 0.1, np.float32), np.full(16_000, 0.3, np.float32)
    both = Audio(np.stack([left, right]), 16_000)
    for channel, expected in (("left", [left]), ("right", [right]), ("as it is", [left, right])):
        assert np.array_equal(sound_for(both, Settings(channel=channel)).samples, np.stack(expected))
    assert np.allclose(sound_for(both, Settings(channel="mix")).samples, 0.2)
    with pytest.raises(SettingsError, match=r"every channel speaks; leave channel \('left'\) out"):
        sound_for(both, Settings(channel="left", voices="channels"))
    with pytest.raises(SettingsError, match="choose one of as it is, mix, left, right"):
        Settings(channel="middle")
