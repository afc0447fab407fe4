"""Node inputs made from the library's settings, so that range, default and help are the same everywhere."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from sonic_core.request import FIELDS
from sonic_core.settings import DEFAULT_PRESET, PRESETS

LARGEST_SEED = 2**53 - 1  # the front end's numbers are doubles
SLIDER = io.NumberDisplay.slider


def setting(name: str, note: str = "", *, slider: bool = False, **changes: Any) -> io.Input:
    """The widget of a setting. `note` follows the setting's own text; `changes` replace range, default or tooltip."""
    field = FIELDS[name]
    # A widget always has a value; `note` says which one means the same as leaving the setting out.
    text = field.metadata["text"].partition("; left out")[0]
    text = " ".join(f"{part.removesuffix('.')}." for part in (text[:1].upper() + text[1:], note) if part)
    if isinstance(field.default, bool):
        return io.Boolean.Input(name, **{"default": field.default, "tooltip": text} | changes)
    low, high, step = (field.metadata[key] for key in ("low", "high", "step"))
    values = {"min": low, "max": high, "step": step, "default": field.default, "tooltip": text} | changes
    kind = io.Int if isinstance(field.default, int) else io.Float
    return kind.Input(name, display_mode=SLIDER if slider else None, **values)


def advanced(widget: io.Input) -> io.Input:
    """The widget behind "Show advanced". Not an argument of its constructor: 0.3.64 has none, but its front end knows
    the word."""
    widget.extra_dict = {**widget.extra_dict, "advanced": True}
    return widget


def choice(name: str, **changes: Any) -> io.Input:
    """The widget of a setting that is one of several words."""
    field = FIELDS[name]
    options, text = list(field.metadata["options"]), field.metadata["text"]
    if text.partition(":")[0] not in options:
        text = text[:1].upper() + text[1:]
    values = {"default": field.default, "tooltip": f"{text}."} | changes
    return io.Combo.Input(name, options=options, **values)


def preset_choice() -> io.Input:
    """The widget of the preset whose settings a node starts from."""
    return io.Combo.Input(
        "preset",
        options=list(PRESETS),
        default=DEFAULT_PRESET,
        tooltip="fast: few steps and approximations. high_quality: all steps, exact.",
    )
