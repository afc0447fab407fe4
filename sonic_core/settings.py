"""Every setting a user can turn: its meaning, range, default, and the two presets.

Nodes, the command line, jobs and the library all take their widgets, options and checks from here.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, Literal

from sonic_core.errors import SettingsError

Framing = Literal["whole", "face", "photo"]
Voices = Literal["one", "channels"]
Channel = Literal["as it is", "mix", "left", "right"]
CoveredMouth = Literal["refuse", "keep"]
Mood = Literal["neutral", "happy", "serious", "sad", "surprised"]


MOST_FACES = 8  # that talk in one picture
MAX_SECONDS = 7200.0  # of sound and of video


def number(default: float | int | None, low: float, high: float, step: float, text: str) -> Any:
    """A field that holds a number from `low` to `high`, both included; a whole one if the default is an int."""
    return field(default=default, metadata={"low": low, "high": high, "step": step, "text": text})


def choice(default: str | None, options: tuple[str, ...] | None, text: str) -> Any:
    """A field whose value is one of `options`, or any text where there are none."""
    return field(default=default, metadata={"options": options, "text": text})


def switch(default: bool, text: str) -> Any:
    """A field that is true or false."""
    return field(default=default, metadata={"text": text})


def numbers(item: type, least: int, most: int, check: Callable[[Any], None], text: str) -> Any:
    """A field that holds `least` to `most` numbers of the type `item`, or nothing. `check` raises SettingsError."""
    return field(default=None, metadata={"item": item, "least": least, "most": most, "check": check, "text": text})


def _check_box(box: Any) -> None:
    if not (isinstance(box, (tuple, list)) and len(box) == 4 and all(_is_number(side) for side in box)):
        raise SettingsError(f"face_box is {str(box)[:60]!r}; give four numbers x1 y1 x2 y2 in pixels of the photo")
    x1, y1, x2, y2 = box
    if not (x2 - x1 >= 8 and y2 - y1 >= 8):
        raise SettingsError(
            f"face_box {tuple(box)} is not a box; give x1 y1 x2 y2 in pixels with both sides at least 8"
        )


def _check_faces(faces: Any) -> None:
    whole = isinstance(faces, (tuple, list)) and all(type(number) is int and 0 <= number < 64 for number in faces)
    if not whole or not 2 <= len(faces) <= MOST_FACES or len(set(faces)) < len(faces):
        raise SettingsError(
            f"faces is {str(faces)[:60]}; give a different number from 0 to 63 for each of 2 to {MOST_FACES} voices"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Settings:
    """User-facing settings. `None` means "as the audio, the preset or the model says"."""

    duration: float | None = number(
        None, 0.04, MAX_SECONDS, 0.01, "seconds of video; left out: exactly as long as the audio"
    )
    trim: bool = switch(False, "cut the audio to `duration` when it is longer")
    framing: Framing = choice(
        "whole",
        ("whole", "face", "photo"),
        "whole: the whole photo; face: a square around the head; photo: the square pasted back into the photo",
    )
    min_resolution: int = number(512, 64, 4096, 2, "short side of the video in pixels")
    expand_ratio: float = number(
        0.18, 0.0, 1.0, 0.01, "margin around the head on each side, as a share of its box (face, photo)"
    )
    face_index: int = number(0, 0, 63, 1, "which face, counted from the largest")
    face_box: tuple[float, float, float, float] | None = numbers(
        float, 4, 4, _check_box, "the face by hand: x1 y1 x2 y2 in pixels of the photo"
    )
    covered_mouth: CoveredMouth = choice(
        "refuse",
        ("refuse", "keep"),
        "a mouth behind a mask, a hand, a cup or a microphone. refuse: say so and stop; keep: leave it as it is, and "
        "move head and eyes only (lite)",
    )
    voices: Voices = choice(
        "one",
        ("one", "channels"),
        "one: the sound is one person's; channels: each channel is a person's, for a photo of several, left to right",
    )
    channel: Channel = choice(
        "as it is",
        ("as it is", "mix", "left", "right"),
        "which channel of the sound is taken, for a recording with somebody else on the other one; mix: their mean",
    )
    faces: tuple[int, ...] | None = numbers(
        int,
        2,
        MOST_FACES,
        _check_faces,
        "whose voice each channel is (voices channels), by numbers of faces counted from the largest; "
        "left out: the largest faces from left to right",
    )
    inference_steps: int = number(25, 1, 100, 1, "denoising steps")
    dynamic_scale: float = number(1.0, 0.0, 2.0, 0.01, "strength of mouth and expression")
    motion_scale: float = number(1.0, 0.0, 2.0, 0.01, "strength of head and overall movement")
    audio_guidance: float | None = number(
        None, 0.0, 20.0, 0.1, "how hard the motion follows the audio; left out: the model's own"
    )
    image_guidance: float | None = number(
        None, 0.0, 20.0, 0.1, "how hard the frames follow the photo; left out: the model's own"
    )
    mood: Mood = choice(
        "neutral", ("neutral", "happy", "serious", "sad", "surprised"), "how the face looks while it speaks (lite)"
    )
    mood_strength: float = number(1.0, 0.0, 1.5, 0.05, "strength of the mood")
    head_yaw: float = number(0.0, -10.0, 10.0, 0.5, "degrees the head is turned to the viewer's right (lite)")
    head_pitch: float = number(0.0, -10.0, 10.0, 0.5, "degrees the head is bent down (lite)")
    head_roll: float = number(0.0, -10.0, 10.0, 0.5, "degrees the head is tilted clockwise (lite)")
    gaze_across: float = number(0.0, -1.0, 1.0, 0.05, "how far the eyes look to the viewer's right (lite)")
    gaze_up: float = number(0.0, -1.0, 1.0, 0.05, "how far the eyes look up (lite)")
    lip_sync_offset: float = number(0.0, -1.0, 1.0, 0.001, "seconds; positive moves the lips later")
    fps: float = number(25.0, 1.0, 120.0, 0.001, "frames a second of the finished video")
    seed: int = number(0, 0, 2**63 - 1, 1, "the same seed gives the same video; 0 is a seed like any other")
    release_seed: bool = switch(
        False, "draw the noise as the released Sonic code does, on the device; seed 0 then means its 72589"
    )
    fast: bool = switch(False, "approximate for speed: few-step solver, guidance in an interval, cached features")

    def __post_init__(self) -> None:
        keep_plain(self)

    def with_changes(self, **changes: Any) -> Settings:
        """A copy with some settings changed. Raises SettingsError for unknown names and impossible values."""
        known = {setting.name for setting in fields(self)}
        for name in changes:
            if name not in known:
                raise SettingsError(f"there is no setting {name!r}; the settings are {', '.join(sorted(known))}")
        return replace(self, **changes)


def keep_plain(values: Any) -> None:
    """Give the fields of a frozen dataclass plain Python values, and `check` them.

    A scalar or a row of numbers of numpy or torch becomes Python's own, which JSON can hold, and a list a tuple.
    """
    for setting in fields(values):
        value = getattr(values, setting.name)
        if hasattr(value, "tolist") and getattr(value, "ndim", None) in (0, 1):
            value = value.tolist()
        object.__setattr__(values, setting.name, tuple(value) if isinstance(value, list) else value)
        check(setting, getattr(values, setting.name))


def shown(value: Any) -> str:
    """A value for an error's sentence, whatever it is: one short line."""
    return " ".join(_SHORT.repr(value).split())


def check(setting: Field[Any], value: Any) -> None:
    """Raise SettingsError when `value` is not possible for a field that one of the functions above declared."""
    name, default, metadata = setting.name, setting.default, setting.metadata
    if value is None:
        if default is not None:
            raise SettingsError(f"{name} needs a value; the default is {default}")
    elif "item" in metadata:
        metadata["check"](value)
    elif "options" in metadata:
        options = metadata["options"]
        if not isinstance(value, str) or (options is not None and value not in options):
            remedy = f"choose one of {', '.join(options)}" if options else "give text"
            raise SettingsError(f"{name} is {shown(value)}; {remedy}")
    elif isinstance(default, bool):
        if not isinstance(value, bool):
            raise SettingsError(f"{name} is {shown(value)}; give true or false")
    else:
        _check_number(name, value, metadata["low"], metadata["high"], isinstance(default, int))


def _check_number(name: str, value: Any, low: float, high: float, whole: bool) -> None:
    kind = "whole number" if whole else "number"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise SettingsError(f"{name} is {shown(value)}; give a {kind} from {low} to {high}")
    if not (low <= value <= high):  # NaN lies nowhere
        raise SettingsError(f"{name} is {value}; give a value from {low} to {high}")


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60

DEFAULT_PRESET = "high_quality"
PRESETS: dict[str, Settings] = {
    "fast": Settings(inference_steps=10, fast=True),
    "high_quality": Settings(inference_steps=25),
}


def preset(name: Any) -> Settings:
    """The settings of a preset, by name. Raises SettingsError for an unknown name."""
    if not isinstance(name, str) or name not in PRESETS:
        raise SettingsError(f"there is no preset {str(name)[:60]!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
