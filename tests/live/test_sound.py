"""The queue of live sound: whatever the pieces, the same samples come out, once, in order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_core.errors import InputError
from sonic_core.live.sound import FADE, FRAME, GATHERED, RATE, SoundQueue, ToSpeech


def all_of(queue: SoundQueue) -> np.ndarray:
    frames = []
    while queue.waiting:
        frames.append(queue.take()[0])
    return np.concatenate(frames) if frames else np.zeros(0, np.float32)


def cut(samples: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    return np.split(samples, np.cumsum(sizes)[np.cumsum(sizes) < len(samples)])


@settings(max_examples=40)
@given(st.lists(st.integers(0, 30_000), max_size=12), st.integers(FRAME, 60_000))
def test_no_sample_is_lost_doubled_or_moved(sizes, length):
    sound = np.random.default_rng(0).uniform(-1, 1, length).astype(np.float32)
    queue = SoundQueue()
    for part in cut(sound, sizes):
        queue.push(part, RATE)
    queue.end()
    out = all_of(queue)
    assert len(out) == -(-length // FRAME) * FRAME and not out[length:].any()
    assert np.array_equal(out[FADE : length - FADE], sound[FADE : length - FADE])


@settings(max_examples=15)
@given(st.sampled_from([8000, 16000, 22050, 44100, 96000]), st.lists(st.integers(1, 5000), min_size=1, max_size=8))
def test_any_rate_keeps_pitch_and_length_however_it_is_cut(rate, sizes):
    sound = (0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.float32)
    queue = SoundQueue()
    for part in cut(sound, sizes):
        queue.push(part, rate)
    queue.end()
    assert abs(queue.waiting - RATE) < 100
    out = all_of(queue)[: RATE - 2000]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    assert abs(spectrum.argmax() * RATE / len(out) - 440) < 2


def test_a_queue_that_ran_dry_gathers_before_it_speaks_again():
    queue = SoundQueue()
    queue.push(np.full(FRAME, 0.5, np.float32), RATE)
    assert not queue.take().any()  # too little has gathered
    queue.push(np.full(GATHERED, 0.5, np.float32), RATE)
    first = queue.take()[0]
    assert first[0] == 0 and first[-1] == 0.5 and queue.speaking
    while queue.speaking:
        last = queue.take()[0]
    assert last[-1] == 0
    assert not queue.take().any()


def test_a_microphone_that_is_ahead_is_cut_and_speech_is_not():
    microphone, speech = SoundQueue(backlog=0.5), SoundQueue()
    for queue in (microphone, speech):
        queue.push(np.ones(2 * RATE, np.float32), RATE)
        queue.take()
    assert microphone.waiting == GATHERED and microphone.dropped == 2 * RATE - GATHERED - FRAME
    assert speech.waiting == 2 * RATE - FRAME


def test_what_is_no_sound_is_named():
    queue = SoundQueue()
    for samples, rate, reason in (
        (np.zeros((2, 100)), RATE, "shape"),
        (np.full(10, np.nan), RATE, "not numbers"),
        (np.zeros(10), 100, "rate is 100"),
        (np.zeros(10), 48000.5, "rate is"),
        (np.zeros(RATE * 301), RATE, "wait to be spoken"),
    ):
        with pytest.raises(InputError, match=reason):
            queue.push(samples, rate)
    assert queue.waiting == 0


def test_the_ears_hear_the_same_however_many_frames_come_at_once():
    sound = np.random.default_rng(1).uniform(-1, 1, 10 * FRAME).astype(np.float32)
    whole, single = ToSpeech(), ToSpeech()
    together = whole(sound)
    one_by_one = np.concatenate([single(part) for part in sound.reshape(10, FRAME)])
    assert len(together) == 6400 and np.allclose(together, one_by_one, atol=1e-6)
    voice = ToSpeech()(np.sin(2 * np.pi * 1000 * np.arange(FRAME * 5) / RATE).astype(np.float32))
    assert abs(np.abs(voice[200:]).max() - 1) < 0.02
    too_high = ToSpeech()(np.sin(2 * np.pi * 12000 * np.arange(FRAME * 5) / RATE).astype(np.float32))
    assert np.abs(too_high[200:]).max() < 0.02  # it would fold down into the voice


def test_a_network_that_stutters_is_not_heard():
    """Pieces of 20 ms, some of them 60 ms late, taken four frames at a time."""
    sound = np.random.default_rng(2).uniform(-1, 1, 4 * RATE).astype(np.float32)
    queue, out, given = SoundQueue(backlog=0.5), [], 0
    for block in range(1, 26):
        late = 0.06 if block % 3 == 0 else 0.0
        due = int((block * 0.16 - late) / 0.02) * (RATE // 50)
        queue.push(sound[given:due], RATE)
        given = max(given, due)
        out.append(queue.take(4).reshape(-1))
    heard = np.concatenate(out)
    start = int(np.flatnonzero(heard)[0]) - 1
    assert start <= 0.33 * RATE and queue.dropped == 0
    length = len(heard) - start
    assert np.array_equal(heard[start + FADE :], sound[FADE:length])


def test_a_short_word_is_spoken_although_nothing_follows():
    queue = SoundQueue()
    queue.push(np.full(500, 0.5, np.float32), RATE)
    assert any(queue.take(4).any() for _ in range(6)) and queue.waiting == 0
