"""Reads sound into `Audio`, from any container that PyAV opens or from samples and a rate; resamples it for the model.

The length is measured by walking through the file, and capped both before and during decoding, so a three-hour file
costs nothing. Sound keeps its rate up to 48 kHz and becomes at most stereo: it goes into the video. The speech model
gets a 16 kHz mono copy.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import av
import numpy as np
import soxr

from sonic_core.clip import Audio, LazyAudio
from sonic_core.errors import InputError, SettingsError
from sonic_core.media.channels import downmixed
from sonic_core.media.container import open_media
from sonic_core.media.level import pick_channel
from sonic_core.media.probe import MAX_SOUND_SECONDS, MIN_SECONDS, WANTED, MediaInfo, examine
from sonic_core.media.sound import MAX_RATE, check_peak, decode_sound
from sonic_core.media.stored_sound import Speech, StoredSpeech, mixed_down, resampled, stored
from sonic_core.media.timeline import TooLongError
from sonic_core.settings import Settings

logger = logging.getLogger(__name__)

MAX_SECONDS = MAX_SOUND_SECONDS
SPARE = 1.0  # seconds read past the part of a sound that is wanted, so that its end is whole
OVERSHOOT = 1.3  # peak that sound mastered to full scale can reach after a lossy codec
DURATION_TOLERANCE = 0.1  # seconds by which `duration` may differ from the sound without trimming


def load_audio(source: Any, every_channel: bool = False, until: float | None = None) -> Audio:
    """Audio from a path, an `Audio`, or a pair (samples, rate), in mono or stereo unless `every_channel` is wanted.

    Samples are (n,), (channels, n) or (1, channels, n), floating in [-1, 1] or integers in the full range of their
    type, numpy or torch. A file is read up to `until` seconds, so that however long the rest is, it costs nothing.
    Raises InputError when there is no sound, it is too long, or it is not finite.
    """
    if isinstance(source, Audio):
        return _checked(_within_full_scale(source, "audio"), "audio")
    if isinstance(source, (str, os.PathLike)):
        info = examine(source, "audio", until=until)
        return _checked(sound_of(info, every_channel=every_channel, until=until), f"audio {info.path.name!r}")
    if isinstance(source, tuple) and len(source) == 2:
        return _checked(_within_full_scale(_from_samples(*source, every_channel), "audio"), "audio")
    raise InputError(f"audio is a {type(source).__name__}; give a path or a pair (samples, rate)")


def load_voice(source: Any, channel: str) -> Audio:
    """The sound of one speaker: read by `load_audio`, reduced to `channel` (see `level.pick_channel`)."""
    return pick_channel(load_audio(source), channel)


def speech_waveform(audio: Audio, rate: int) -> Speech:
    """(samples,) float32 mono at `rate` Hz; long sound stays in a file that is read slice by slice."""
    speech = resampled(mixed_down(audio), rate)
    return StoredSpeech(speech) if isinstance(speech, LazyAudio) else speech.samples[0]


def shifted(speech: Speech, seconds: float, rate: int) -> Speech:
    """Speech (samples,) moved later by `seconds` (earlier when negative): silence moves in, the length stays."""
    offset = round(seconds * rate)
    if offset == 0:
        return speech
    if isinstance(speech, StoredSpeech):
        return speech.moved(offset)
    moved = np.zeros_like(speech)
    if offset > 0:
        moved[offset:] = speech[:-offset]
    else:
        moved[:offset] = speech[-offset:]
    return moved


def cut(audio: Audio, start: float, end: float) -> Audio:
    """The part from `start` to `end`, in seconds."""
    return audio.cut(round(start * audio.rate), round(end * audio.rate))


def trimmed(audio: Audio, start: float = 0.0, seconds: float | None = None) -> Audio:
    """The sound from `start` on, `seconds` of it at most. Raises InputError when nothing is left."""
    if start > audio.seconds - MIN_SECONDS:
        raise InputError(f"start is {start:g} s but the audio is only {audio.seconds:.2f} s long; start earlier")
    end = audio.seconds if seconds is None else min(start + seconds, audio.seconds)
    return _checked(cut(audio, start, end), "audio")


def sound_for(source: Any, settings: Settings) -> Audio:
    """The sound of the finished video: read by `load_audio`, reduced to one channel if wanted, cut to `duration`.

    Raises InputError and SettingsError.
    """
    if settings.voices == "channels" and settings.channel != "as it is":
        raise SettingsError(f"voices is 'channels', so every channel speaks; leave channel ({settings.channel!r}) out")
    sound = load_audio(source, settings.voices == "channels", until=read_until(settings))
    return fit_duration(pick_channel(sound, settings.channel), settings)


def read_until(settings: Settings) -> float | None:
    """How many seconds of a sound these settings need, so that its rest may be of any length; None for all of it."""
    return settings.duration + SPARE if settings.trim and settings.duration is not None else None


def fit_duration(audio: Audio, settings: Settings) -> Audio:
    """The sound of the finished video. Raises SettingsError when `duration` contradicts it and trimming is off."""
    if settings.duration is None or abs(settings.duration - audio.seconds) <= DURATION_TOLERANCE:
        return audio
    if settings.trim and settings.duration < audio.seconds:
        return cut(audio, 0, settings.duration)
    remedy = "turn trimming on to cut the audio" if settings.duration < audio.seconds else "give a longer audio"
    raise SettingsError(
        f"duration is {settings.duration:g} s but the audio is {audio.seconds:.2f} s long; "
        f"leave duration out to take the audio's, or {remedy}"
    )


def _from_samples(samples: Any, rate: int, every_channel: bool) -> Audio:
    if hasattr(samples, "detach"):  # a torch tensor; numpy has no bfloat16
        samples = samples.detach().cpu()
        samples = samples.float() if samples.is_floating_point() else samples
    array = np.asarray(samples)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[0] > 64:
        raise InputError(f"audio samples have shape {tuple(array.shape)}; give (channels, samples)")
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or not 4000 <= rate <= 384_000:
        raise InputError(f"audio rate is {rate!r}; give a whole number of Hz from 4000 to 384000")
    if array.dtype.kind in "iu":
        array = array.astype(np.float32) / np.iinfo(array.dtype).max
    elif array.dtype.kind != "f":
        raise InputError(f"audio samples are of type {array.dtype}; give floats in [-1, 1] or integers")
    _check_seconds(array.shape[1] / rate, "audio")
    array = array.astype(np.float32)
    array = array if every_channel else downmixed(array)
    if rate > MAX_RATE:
        array = np.ascontiguousarray(soxr.resample(array.T, rate, MAX_RATE).T)
        rate = MAX_RATE
    return Audio(array, int(rate))


def sound_of(
    info: MediaInfo, limit: float = MAX_SECONDS, every_channel: bool = False, until: float | None = None
) -> Audio:
    """The sound of a file that `probe` has accepted, on the clock of its pictures where it has any.

    Sound that begins after the first picture is preceded by silence; sound before it is cut. With `until`, the sound
    ends about there. Raises InputError when it is longer than `limit` seconds or cannot be decoded.
    """
    name = f"audio {info.path.name!r}"
    assert info.sound is not None
    origin = info.picture.clock.origin if info.picture is not None else None
    try:
        with open_media(info.path) as container:
            stream = container.streams[info.sound.index]
            audio = decode_sound(container, stream, limit, info.shifts, origin, every_channel, until)
    except TooLongError as error:
        raise InputError(f"{name} is {error.seconds:.0f} s long or more; the limit is {limit:.0f} s") from None
    except av.FFmpegError as error:
        raise InputError(f"{name} cannot be read ({error.strerror}); {WANTED['audio']}") from error
    if audio is None:
        raise InputError(f"{name} holds no samples that can be decoded; export or download it again")
    return _within_full_scale(audio, name)


def _checked(audio: Audio, name: str) -> Audio:
    if audio.length == 0:
        raise InputError(f"{name} holds no samples; export or download it again")
    if audio.seconds < MIN_SECONDS:
        raise InputError(f"{name} is {audio.seconds:.3f} s long; give at least {MIN_SECONDS} s")
    _check_seconds(audio.seconds, name)
    if audio.channel_alone is not None:
        side = ("left", "right")[audio.channel_alone]
        logger.warning("%s: its two channels are in opposite phase; the %s one alone is taken for speech", name, side)
    return audio


def _within_full_scale(audio: Audio, name: str) -> Audio:
    """The sound, attenuated if its floats exceed full scale by so much that clipping would turn them to noise."""
    peak = max((float(np.abs(block).max()) for block in audio.blocks()), default=0.0)
    check_peak(peak, name)
    if peak <= OVERSHOOT:
        return audio
    logger.warning("%s: its samples reach %.4g, where full scale is 1; it is made that much quieter", name, peak)
    factor = np.float32(1 / peak)
    return stored((block * factor for block in audio.blocks()), audio.channels, audio.rate)


def _check_seconds(seconds: float, name: str) -> None:
    if seconds > MAX_SECONDS:
        raise InputError(f"{name} is {seconds:.0f} s long; the limit is {MAX_SECONDS:.0f} s, so cut it into parts")
