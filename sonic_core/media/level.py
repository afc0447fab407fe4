"""Gain, loudness by ITU-R BS.1770-4, and the choice of a channel.

Works on `Audio` in memory; files are read by `media.audio` and written by `media.encoding`.
"""

from __future__ import annotations

import numpy as np

from sonic_core.clip import Audio
from sonic_core.errors import SettingsError
from sonic_core.media.stored_sound import mixed_down, stored
from sonic_core.progress import stop_if_cancelled
from sonic_core.settings import Settings

CHANNELS = Settings.__dataclass_fields__["channel"].metadata["options"]
TARGET_LUFS = -16.0  # what podcasts and phones use
PEAK = 10 ** (-1 / 20)  # loudness normalising stays 1 dB below full scale
QUIET = 10 ** (-50 / 20)  # RMS of sound that is silence
SILENCE_LUFS = -70.0  # the absolute gate of BS.1770: below it there is nothing to measure
HOP, HOPS = 0.1, 4  # seconds between two blocks, and how many of these a block lasts


def pick_channel(audio: Audio, channel: str) -> Audio:
    """One channel, the mean of all ("mix"), or the sound as it is. A mono sound is every channel."""
    if channel not in CHANNELS:
        raise SettingsError(f"channel is {channel!r}; choose one of {', '.join(CHANNELS)}")
    if channel == "as it is":
        return audio
    if channel == "mix":
        return mixed_down(audio)
    index = 0 if channel == "left" else min(1, audio.channels - 1)
    return stored((block[index : index + 1] for block in audio.blocks()), 1, audio.rate)


def amplified(audio: Audio, decibels: float) -> Audio:
    """Louder or quieter; what goes over full scale is clipped."""
    if decibels == 0:
        return audio
    factor = np.float32(10 ** (decibels / 20))
    return Audio((audio.samples * factor).clip(-1, 1), audio.rate)


def normalised(audio: Audio, target: float = TARGET_LUFS) -> Audio:
    """The sound at `target` LUFS, or as near as its peaks allow. Silence stays silence."""
    measured = loudness(audio)
    if measured <= SILENCE_LUFS:
        return audio
    factor = min(10 ** ((target - measured) / 20), PEAK / float(np.abs(audio.samples).max()))
    return Audio((audio.samples * np.float32(factor)).astype(np.float32), audio.rate)


def loudness(audio: Audio) -> float:
    """Integrated loudness in LUFS with both gates of BS.1770-4; SILENCE_LUFS or less for silence."""
    from scipy.signal import lfilter  # seconds to import, and only this needs it

    filters = _k_weighting(audio.rate)
    states = [np.zeros((audio.channels, len(a) - 1)) for _, a in filters]
    hop = round(HOP * audio.rate)
    sums, rest = [], np.zeros(0)
    for part in audio.blocks():
        stop_if_cancelled()
        weighted = part.astype(np.float64)
        for k, (b, a) in enumerate(filters):
            weighted, states[k] = lfilter(b, a, weighted, axis=1, zi=states[k])
        energy = np.concatenate([rest, (weighted**2).sum(0)])
        whole = len(energy) // hop * hop
        sums.append(energy[:whole].reshape(-1, hop).sum(1))
        rest = energy[whole:]
    hops = np.concatenate(sums)
    if len(hops) < HOPS:  # shorter than a block
        power = np.array([(hops.sum() + rest.sum()) / audio.length])
    else:
        power = np.convolve(hops, np.ones(HOPS), "valid") / (HOPS * hop)
    loud = power[_lufs(power) > SILENCE_LUFS]
    if not len(loud):
        return SILENCE_LUFS
    loud = loud[_lufs(loud) > _lufs(loud.mean()) - 10]
    return float(_lufs(loud.mean()))


def _lufs(power: np.ndarray) -> np.ndarray:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-12))


def _k_weighting(rate: int) -> list[tuple[list[float], list[float]]]:
    """The two filters of BS.1770 (b, a) at any rate, from their analogue prototypes (Mansbridge et al., AES 2012)."""
    k = np.tan(np.pi * 1681.974450955533 / rate)
    q, gain = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = gain**0.4996667741545416
    norm = 1 + k / q + k * k
    shelf_b = [(gain + band * k / q + k * k) / norm, 2 * (k * k - gain) / norm, (gain - band * k / q + k * k) / norm]
    shelf_a = [1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm]
    k, q = np.tan(np.pi * 38.13547087602444 / rate), 0.5003270373238773
    norm = 1 + k / q + k * k
    high_a = [1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm]
    return [(shelf_b, shelf_a), ([1.0, -2.0, 1.0], high_a)]
