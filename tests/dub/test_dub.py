"""The whole dub with an engine that opens the mouth on command, so that nothing depends on weights of speech."""

import numpy as np
import pytest

from sonic_core.clip import Audio
from sonic_core.dub.dub import dub
from sonic_core.dubbing import DubOptions
from sonic_core.engines.lite.layout import CHANNELS, MOUTH
from sonic_core.errors import InputError
from sonic_core.face.tracker import FaceTracker, face_height, lip_gap
from sonic_core.settings import Settings


class LoudOpens:
    """Loud speech opens the mouth, silence shuts it."""

    name = "lite"

    def lips(self, speech, settings):
        frames = speech[: len(speech) // 640 * 640].reshape(-1, 640)
        motion = np.zeros((len(frames), CHANNELS), np.float32)
        motion[:, MOUTH.start] = 2.0 * (np.abs(frames).max(1) > 0.1)
        return motion


class Photos:
    """An engine that animates photos only."""

    name = "sonic"


def voice(*loud: bool) -> Audio:
    """A frame of 25 fps for each value, loud or silent; 16 kHz."""
    return Audio(np.repeat(np.array(loud, np.float32) * 0.5, 640)[None], 16000)


def openings(clip) -> np.ndarray:
    tracker = FaceTracker()
    marks = [tracker(frame) for frame in clip.frames()]
    return np.array([lip_gap(mark) / face_height(mark) for mark in marks])


def test_the_mouth_follows_the_new_voice(video, cast):
    made = dub(video, voice(*[False] * 7, *[True] * 7), LoudOpens(), cast, Settings())
    gaps = openings(made.clip)
    assert gaps[:6].max() < 0.015 < gaps[8:].min()
    assert made.clip.frame_count == 14 and made.voiced == (0,) and not made.passed_through()


def test_the_offset_moves_the_lips_later_and_not_the_length(video, cast):
    made = dub(video, voice(*[True] * 4, *[False] * 10), LoudOpens(), cast, Settings(lip_sync_offset=0.2))
    gaps = openings(made.clip)
    assert gaps[:4].max() < 0.015 < gaps[5:8].min() and made.clip.frame_count == 14


def test_lengths(video, cast):
    longer = dub(video, voice(*[True] * 20), LoudOpens(), cast, Settings(), DubOptions(longer="loop")).clip
    assert longer.frame_count == 20 == len(list(longer.frames())) and longer.audio.seconds == pytest.approx(0.8)
    rest = dub(video, voice(*[True] * 5), LoudOpens(), cast, Settings()).clip
    assert rest.frame_count == 14 and openings(rest)[7:].max() < 0.015
    cut = dub(video, voice(*[True] * 5), LoudOpens(), cast, Settings(), DubOptions(shorter="cut")).clip
    assert cut.frame_count == 5 == len(list(cut.frames()))


def test_the_own_sound_stays_as_a_bed(video, cast):
    own = video.replaced(audio=Audio(np.full((2, 14 * 1920), 0.5, np.float32), 48000))
    speech = Audio(np.zeros((1, 4 * 1920), np.float32), 48000)
    with_bed = dub(own, speech, LoudOpens(), cast, Settings(), DubOptions(own_sound=0.1)).clip
    assert with_bed.audio.samples.shape == (2, 14 * 1920) and with_bed.audio.samples[0, -1] == pytest.approx(0.05)
    assert not dub(own, speech, LoudOpens(), cast, Settings()).clip.audio.samples.any()


def test_the_clip_can_be_read_twice(video, cast):
    clip = dub(video, voice(*[True] * 14), LoudOpens(), cast, Settings()).clip
    first, again = (np.concatenate(list(clip.chunks())) for _ in range(2))
    assert np.array_equal(first, again)


def test_who_is_not_there_and_engines_for_photos(video, cast):
    with pytest.raises(InputError, match="person 3 but the video has only person 0"):
        dub(video, {3: voice(True)}, LoudOpens(), cast, Settings())
    with pytest.raises(InputError, match="the sonic engine makes photos speak"):
        dub(video, voice(True), Photos(), cast, Settings())
