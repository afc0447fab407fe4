"""Long sound on disk says the same as the same sound in memory, in whatever parts it is read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.clip import Audio, LazyAudio
from sonic_core.media import audio as audio_module
from sonic_core.media.audio import shifted, speech_waveform
from sonic_core.media.stored_sound import SampleStore, StoredSpeech, resampled
from sonic_core.media.voices import Turn, activity, by_channel, by_turns, mixed

RATE = 8000
SAMPLES = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 3 * RATE)).astype(np.float32)
SHORT = Audio(SAMPLES, RATE)


def on_disk(samples: np.ndarray = SAMPLES, rate: int = RATE) -> LazyAudio:
    store = SampleStore(len(samples), memory=1000)
    for start in range(0, samples.shape[1], 777):
        store.write(start, samples[:, start : start + 777])
    made = store.audio(rate)
    assert isinstance(made, LazyAudio)
    return made


def test_what_was_written_is_read():
    assert np.array_equal(on_disk().samples, SAMPLES)
    store = SampleStore(1)
    store.write(5, np.ones((1, 3), np.float32))
    store.write(-2, np.full((1, 4), 2, np.float32))
    assert store.audio(RATE, 10).samples.tolist() == [[2, 2, 0, 0, 0, 1, 1, 1, 0, 0]]


@given(st.integers(-30000, 30000), st.integers(1, 40000), st.integers(0, 40000), st.integers(0, 40000))
def test_a_place_means_the_same_on_disk_and_in_memory(offset, length, a, b):
    lazy, short = on_disk().placed(offset, length), SHORT.placed(offset, length)
    start, stop = sorted((min(a, length), min(b, length)))
    assert lazy.shape == short.shape == (2, length)
    assert np.array_equal(lazy.read(start, stop), short.read(start, stop))
    assert np.array_equal(on_disk().cut(a, b).samples, SHORT.cut(a, b).samples)


def test_another_rate():
    lazy, short = resampled(on_disk(), 16000), resampled(SHORT, 16000)
    assert lazy.rate == 16000 and lazy.length == pytest.approx(short.length, abs=2)
    count = min(lazy.length, short.length)
    assert np.abs(lazy.samples[:, :count] - short.samples[:, :count]).max() < 1e-3


@pytest.mark.parametrize("seconds", [-0.3, 0.0, 0.25])
def test_speech_is_read_slice_by_slice(monkeypatch, seconds):
    monkeypatch.setattr(audio_module, "resampled", lambda sound, rate: on_disk(resampled(sound, rate).samples, rate))
    speech = speech_waveform(on_disk(), 16000)
    assert isinstance(speech, StoredSpeech)
    moved = shifted(speech, seconds, 16000)
    wanted = shifted(speech_waveform(SHORT, 16000), seconds, 16000)
    assert len(moved) == pytest.approx(len(wanted), abs=2)
    assert np.abs(moved[1000:9000] - wanted[1000:9000]).max() < 1e-3
    assert np.array_equal(np.asarray(moved)[1000:9000], moved[1000:9000])


def test_opposed_channels_on_disk():
    both = np.stack([SAMPLES[0], -SAMPLES[0]])
    assert on_disk(both).opposed and not on_disk().opposed
    assert np.array_equal(on_disk(both).mono(), Audio(both, RATE).mono())


def test_voices_of_long_sound_stay_on_disk():
    turns = [Turn("ann", 0.0, 1.0), Turn("bob", 1.0, 2.5)]
    for lazy, short in zip(by_turns(on_disk(), turns).values(), by_turns(SHORT, turns).values(), strict=True):
        assert isinstance(lazy, LazyAudio) and not isinstance(short, LazyAudio)
        assert np.array_equal(lazy.samples, short.samples)
    for lazy, short in zip(by_channel(on_disk()), by_channel(SHORT), strict=True):
        assert isinstance(lazy, LazyAudio) and np.array_equal(lazy.samples, short.samples)
    lazy, short = mixed([on_disk(), SHORT]), mixed([SHORT, SHORT])
    assert (
        isinstance(lazy, LazyAudio) and np.array_equal(lazy.samples, short.samples) and np.abs(short.samples).max() <= 1
    )
    assert np.array_equal(activity(on_disk(), 25, 80), activity(SHORT, 25, 80))
