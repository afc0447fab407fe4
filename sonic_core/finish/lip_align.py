"""Bringing lips and sound together by a known offset: one of the two is moved, and nothing is cut off at the end.

How large the offset is, `quality.lip_sync` measures.
"""

from __future__ import annotations

import math
from typing import Literal

from sonic_core.clip import Audio, Clip
from sonic_core.errors import SettingsError
from sonic_core.video.interpolate import sampled

Move = Literal["sound", "frames"]


def shifted(clip: Clip, late: float, move: Move = "frames") -> Clip:
    """The clip with lips that were `late` seconds (negative: early) brought to their sound.

    frames: each shows another time of the video, the first or last picture standing in where there is none; sound:
    it is moved, silence coming in. The clip grows where something would drop off its end.
    """
    if move not in ("sound", "frames"):
        raise SettingsError(f"what to move is {move!r}; choose sound or frames")
    if not (math.isfinite(late) and abs(late) <= 10):
        raise SettingsError(f"the offset to correct is {late} s; give at most 10 s")
    if move == "sound":
        moved = None if clip.audio is None else moved_sound(clip.audio, late)
        count = clip.frame_count
        if late > 0 and moved is not None:
            count = max(count, math.ceil(round(min(moved.seconds, clip.seconds + late) * clip.fps, 6)))
        return sampled(clip, lambda k: k, "repeat", frame_count=count, audio=moved)
    step = late * float(clip.fps)
    count = clip.frame_count + (math.ceil(round(-step, 6)) if late < 0 else 0)
    return sampled(clip, lambda k: k + step, "auto", frame_count=count)


def lips_later(clip: Clip, seconds: float) -> Clip:
    """The clip with its lips `seconds` later (negative: earlier) against the same sound, exactly as long as before.

    The first or last picture stands where there is none. This is what the setting `lip_sync_offset` means for frames
    that are there already; the pipeline moves the speech that drives them instead.
    """
    if seconds == 0:
        return clip
    step = seconds * float(clip.fps)
    return sampled(clip, lambda k: k - step, "auto", frame_count=clip.frame_count)


def moved_sound(audio: Audio, late: float) -> Audio:
    """Sound that starts `late` seconds later, after silence, or earlier, its first part cut; its end is kept."""
    count = round(abs(late) * audio.rate)
    if late >= 0:
        return audio.placed(count, audio.length + count)
    return audio.placed(-min(count, audio.length - 1), audio.length)
