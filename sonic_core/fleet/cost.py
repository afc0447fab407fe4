"""What a video costs before it is made: its size, its frames, and the pixels that will be drawn. Pure arithmetic."""

import math
from dataclasses import dataclass

from sonic_core.dubbing import Shorter
from sonic_core.settings import Settings


@dataclass(frozen=True)
class Cost:
    """width x height x frames. The size is an estimate where the face's place decides it."""

    width: int
    height: int
    frames: int

    @property
    def pixels(self) -> float:
        return float(self.width) * self.height * self.frames


def estimate(width: int, height: int, seconds: float, settings: Settings) -> Cost:
    """The cost of a photo of `width` x `height` pixels with `seconds` of sound."""
    length = seconds if settings.duration is None else settings.duration
    frames = max(1, math.ceil(length * settings.fps))
    short = settings.min_resolution
    if settings.framing == "face":
        return Cost(short, short, frames)
    scale = short / min(width, height)
    return Cost(round(width * scale), round(height * scale), frames)


def estimate_dub(width: int, height: int, seconds: float, video_seconds: float, frames: int, shorter: Shorter) -> Cost:
    """The cost of dubbing a video of `video_seconds` and `frames` with `seconds` of sound."""
    spoken = math.ceil(seconds * frames / video_seconds)
    return Cost(width, height, spoken if shorter == "cut" else max(spoken, frames))
