"""Whisper's log-mel spectrogram: 80 bands, a row every 10 ms.

Source: Radford et al. 2022, `whisper/audio.py` (MIT). The numbers are those of `transformers.WhisperFeatureExtractor`.
Values are cut off 80 dB below the loudest one of the given sound, so they depend on where the caller cuts it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

SAMPLE_RATE = 16000
HOP, FFT = 160, 400
FLOOR = 8.0  # decades below the loudest value


def log_mel(waveform: np.ndarray | Tensor, bands: int = 80) -> Tensor:
    """Mono float32 (samples,) or (b, samples) at 16 kHz -> (bands, samples // 160) or (b, bands, samples // 160)."""
    sound = torch.as_tensor(waveform, dtype=torch.float32)
    if sound.shape[-1] <= FFT // 2:  # too short to be mirrored at its ends
        sound = torch.nn.functional.pad(sound, (0, FFT // 2 + 1 - sound.shape[-1]))
    window = torch.hann_window(FFT, device=sound.device)
    power = torch.stft(sound, FFT, HOP, window=window, return_complex=True)[..., :-1].abs().square()
    decades = (mel_filters(bands).to(sound.device) @ power).clamp(min=1e-10).log10()
    if decades.numel():
        decades = decades.maximum(decades.amax((-2, -1), keepdim=True) - FLOOR)
    return (decades + 4) / 4


@lru_cache
def mel_filters(bands: int) -> Tensor:
    """(bands, 201) triangles on Slaney's mel scale, each of unit area."""
    frequencies = np.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1)
    edges = _hertz(np.linspace(0, _mel(SAMPLE_RATE / 2), bands + 2))
    width = np.diff(edges)
    rising = (frequencies - edges[:-2, None]) / width[:-1, None]
    falling = (edges[2:, None] - frequencies) / width[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return torch.from_numpy((triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32))


# Slaney's scale is linear up to 1 kHz (15 mel) and logarithmic above.
_LOG_STEP = 27 / np.log(6.4)


def _mel(hertz: float) -> float:
    return 3 * hertz / 200 if hertz < 1000 else 15 + np.log(hertz / 1000) * _LOG_STEP


def _hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((np.maximum(mel, 15) - 15) / _LOG_STEP))
