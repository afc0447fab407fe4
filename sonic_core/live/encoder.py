"""Encodes moments into a container as they come: H.264 without delay, AAC, the label and the record.

A file, a socket and an RTMP server differ only in their container. A picture that was left out leaves a gap in the time
stamps of the video; the sound has no gaps.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType

from sonic_core.disclosure.label import RECORD_KEY, VisibleLabel, draw, record
from sonic_core.live.pace import LiveFrame
from sonic_core.live.sound import FPS, FRAME, RATE
from sonic_core.media.encoding import BT709, FULL_RANGE, LIMITED_RANGE

KEY_SECONDS = 2  # between key frames: the longest that a viewer who joins late waits
X264 = {
    "preset": "veryfast",
    "tune": "zerolatency",
    "crf": "21",
    "maxrate": "3000k",
    "bufsize": "3000k",
    "forced-idr": "1",
}


def even(size: tuple[int, int]) -> tuple[int, int]:
    """Return (width, height) without the last column or row of odd sides: codecs halve the resolution of colour."""
    return size[0] & ~1, size[1] & ~1


class Label:
    """Draws the visible label on uint8 pictures of one size, for the first `VisibleLabel.seconds` of a talk."""

    def __init__(self, visible: VisibleLabel, size: tuple[int, int]):
        colour, cover = draw(visible, *size)
        rows, columns = (np.flatnonzero(cover[..., 0].any(axis)) for axis in (1, 0))
        self.part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        self.kept, self.added = 1 - cover[self.part], colour[self.part] * cover[self.part] * 255
        self.frames = math.inf if visible.seconds is None else math.ceil(visible.seconds * FPS)

    def on(self, picture: np.ndarray, index: int) -> np.ndarray:
        """Return the picture of frame `index` with the label on it, or unchanged after the label's time."""
        if index >= self.frames:
            return picture
        marked = picture.copy()
        marked[self.part] = (picture[self.part] * self.kept + self.added + 0.5).astype(np.uint8)
        return marked


class Pictures:
    """What one receiver of a talk is shown: moments counted from its first picture, sides even, the label drawn."""

    def __init__(self, size: tuple[int, int], label: VisibleLabel | None):
        self.size = even(size)
        self._label = Label(label, self.size) if label is not None else None
        self.first: int | None = None  # index of the receiver's second 0

    def of(self, shown: LiveFrame) -> tuple[int, np.ndarray | None] | None:
        """Return the moment's index and picture, None for one that was left out. None before the first picture."""
        if self.first is None:
            if shown.picture is None:
                return None
            self.first = shown.moment.index
        index = shown.moment.index - self.first
        if shown.picture is None:
            return index, None
        picture = shown.picture[: self.size[1], : self.size[0]]
        return index, picture if self._label is None else self._label.on(picture, index)


class LiveEncoder:
    """Writes the moments of one talk into an open container. The first picture written is a key frame."""

    def __init__(self, container: Any, size: tuple[int, int], label: VisibleLabel | None = None, job_id: str = ""):
        self.container, self.pictures = container, Pictures(size, label)
        container.metadata[RECORD_KEY] = record(job_id)
        self.video = container.add_stream("libx264", rate=FPS, options=X264)
        self.video.width, self.video.height, self.video.pix_fmt = *self.pictures.size, "yuv420p"
        context = self.video.codec_context
        context.time_base = Fraction(1, FPS)
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = LIMITED_RANGE
        self.audio = container.add_stream("aac", rate=RATE, layout="mono")
        self.audio.bit_rate = 96_000
        self._next_key = 0  # counted in time, not in pictures, which may be left out

    def write(self, shown: LiveFrame) -> None:
        """Encode a moment and write it. Raises av.FFmpegError when the receiver is gone."""
        found = self.pictures.of(shown)
        if found is None:
            return
        index, picture = found
        if picture is not None:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture))
            frame = frame.reformat(
                format="yuv420p", dst_colorspace=BT709, src_color_range=FULL_RANGE, dst_color_range=LIMITED_RANGE
            )
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            if index >= self._next_key:
                frame.pict_type = PictureType.I
                self._next_key = index + KEY_SECONDS * FPS
            self.container.mux(self.video.encode(frame))
        sound = av.AudioFrame.from_ndarray(shown.moment.sound[None], format="fltp", layout="mono")
        sound.rate, sound.pts, sound.time_base = RATE, index * FRAME, Fraction(1, RATE)
        self.container.mux(self.audio.encode(sound))

    def finish(self) -> None:
        """Write what the encoders still hold."""
        if self.pictures.first is not None:
            self.container.mux(self.video.encode(None))
            self.container.mux(self.audio.encode(None))
