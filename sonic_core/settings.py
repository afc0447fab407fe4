"""Every setting a user can turn: its meaning, range, default, and the two presets.

Nodes, the command line, jobs and the library all take their widgets, options and checks from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from sonic_core.errors import SettingsError

Framing = Literal["whole", "face", "photo"]


def _number(default: float | int | None, low: float, high: float, step: float, text: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "step": step, "text": text})


def _choice(default: str, options: tuple[str, ...], text: str) -> Any:
    return field(default=default, metadata={"options": options, "text": text})


def _switch(default: bool, text: str) -> Any:
    return field(default=default, metadata={"text": text})


@dataclass(frozen=True)
class Settings:
    """User-facing settings. `None` means "as the audio, the preset or the model says"."""

    duration: float | None = _number(None, 0.04, 1800, 0.01, "seconds of video; left out: exactly as long as the audio")
    trim: bool = _switch(False, "cut the audio to `duration` when it is longer")
    framing: Framing = _choice(
        "whole",
        ("whole", "face", "photo"),
        "whole: the whole photo; face: a square around the head; photo: the square pasted back into the photo",
    )
    min_resolution: int = _number(512, 64, 4096, 2, "short side of the video in pixels")
    expand_ratio: float = _number(
        0.18, 0.0, 1.0, 0.01, "margin around the head on each side, as a share of its box (face, photo)"
    )
    face_index: int = _number(0, 0, 63, 1, "which face, counted from the largest")
    face_box: tuple[float, float, float, float] | None = field(
        default=None, metadata={"text": "the face by hand: x1 y1 x2 y2 in pixels of the photo"}
    )
    inference_steps: int = _number(25, 1, 100, 1, "denoising steps")
    dynamic_scale: float = _number(1.0, 0.0, 2.0, 0.01, "strength of mouth and expression")
    motion_scale: float = _number(1.0, 0.0, 2.0, 0.01, "strength of head and overall movement")
    audio_guidance: float | None = _number(
        None, 0.0, 20.0, 0.1, "how hard the motion follows the audio; left out: the model's own"
    )
    image_guidance: float | None = _number(
        None, 0.0, 20.0, 0.1, "how hard the frames follow the photo; left out: the model's own"
    )
    lip_sync_offset: float = _number(0.0, -1.0, 1.0, 0.001, "seconds; positive moves the lips later")
    fps: float = _number(25.0, 1.0, 120.0, 0.001, "frames a second of the finished video")
    seed: int = _number(0, 0, 2**63 - 1, 1, "the same seed gives the same video; 0 is a seed like any other")
    release_seed: bool = _switch(
        False, "draw the noise as the released Sonic code does, on the device; seed 0 then means its 72589"
    )
    fast: bool = _switch(False, "approximate for speed: few-step solver, guidance in an interval, cached features")

    def __post_init__(self) -> None:
        for setting in fields(self):
            check(setting.name, getattr(self, setting.name))
        if self.face_box is not None:
            x1, y1, x2, y2 = self.face_box
            if not (x2 - x1 >= 8 and y2 - y1 >= 8):
                raise SettingsError(
                    f"face_box {self.face_box} is not a box; give x1 y1 x2 y2 in pixels with both sides at least 8"
                )

    def with_changes(self, **changes: Any) -> Settings:
        """A copy with some settings changed. Raises SettingsError for a name or value that is none."""
        known = {setting.name for setting in fields(self)}
        for name in changes:
            if name not in known:
                raise SettingsError(f"there is no setting {name!r}; the settings are {', '.join(sorted(known))}")
        return replace(self, **changes)


def check(name: str, value: Any) -> None:
    """Raise SettingsError when `value` is not possible for the setting `name`."""
    metadata = Settings.__dataclass_fields__[name].metadata
    default = Settings.__dataclass_fields__[name].default
    if value is None:
        if default is not None:
            raise SettingsError(f"{name} needs a value; the default is {default}")
        return
    if "options" in metadata:
        if value not in metadata["options"]:
            raise SettingsError(f"{name} is {value!r}; choose one of {', '.join(metadata['options'])}")
        return
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise SettingsError(f"{name} is {value!r}; give true or false")
        return
    if name == "face_box":
        if len(value) != 4 or not all(math.isfinite(v) for v in value):
            raise SettingsError(f"face_box is {value!r}; give four numbers x1 y1 x2 y2 in pixels of the photo")
        return
    low, high = metadata["low"], metadata["high"]
    whole = isinstance(default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise SettingsError(f"{name} is {value!r}; give a {'whole number' if whole else 'number'} from {low} to {high}")
    if not (math.isfinite(value) and low <= value <= high):
        raise SettingsError(f"{name} is {value}; give a value from {low} to {high}")


PRESETS: dict[str, Settings] = {
    "fast": Settings(inference_steps=10, fast=True),
    "high_quality": Settings(inference_steps=25),
}


def preset(name: str) -> Settings:
    """The settings of a preset, by name. Raises SettingsError for an unknown name."""
    if name not in PRESETS:
        raise SettingsError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
