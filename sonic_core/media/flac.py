"""Writes sound without loss."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np

from sonic_core.clip import Audio
from sonic_core.media.files import written_whole

BLOCK = 4096  # samples a frame
LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")  # by the number of channels


def save_flac(audio: Audio, path: str | os.PathLike[str]) -> Path:
    """Write `audio`, of up to eight channels, as 16-bit FLAC, clipped to [-1, 1].

    Raises OutputError; never leaves half a file.
    """
    layout = LAYOUTS[audio.channels - 1]
    with written_whole(path) as temporary, av.open(str(temporary), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=audio.rate, layout=layout)
        for start in range(0, audio.length, BLOCK):
            samples = audio.read(start, min(start + BLOCK, audio.length))
            samples = np.round(samples.clip(-1, 1) * 32767).astype(np.int16)
            block = np.ascontiguousarray(samples.T).reshape(1, -1)  # interleaved
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
            frame.rate, frame.pts = audio.rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return Path(path)
