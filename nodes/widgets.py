"""Node inputs made from the library's settings, so that range, default and help are the same everywhere."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from sonic_core.settings import Settings

LARGEST_SEED = 2**53 - 1  # the front end's numbers are doubles
SLIDER = io.NumberDisplay.slider


def setting(name: str, tooltip: str = "", *, slider: bool = False, **changes: Any) -> io.Input:
    """The widget of a setting. `tooltip` follows the setting's own text; `changes` replace its range or default."""
    field = Settings.__dataclass_fields__[name]
    # A widget always has a value; `tooltip` says which one means the same as leaving the setting out.
    text = field.metadata["text"].partition("; left out")[0]
    text = " ".join(f"{part.removesuffix('.')}." for part in (text[:1].upper() + text[1:], tooltip) if part)
    if isinstance(field.default, bool):
        return io.Boolean.Input(name, default=field.default, tooltip=text, **changes)
    low, high, step = (field.metadata[key] for key in ("low", "high", "step"))
    values = {"min": low, "max": high, "step": step, "default": field.default} | changes
    display = SLIDER if slider else None
    if isinstance(field.default, int):
        return io.Int.Input(name, tooltip=text, display_mode=display, **values)
    return io.Float.Input(name, tooltip=text, display_mode=display, **values)


def advanced(widget: io.Input) -> io.Input:
    """The widget behind "Show advanced". Not an argument of its constructor: 0.3.64 has none, but its front end knows
    the word."""
    widget.extra_dict = {**widget.extra_dict, "advanced": True}
    return widget


def choice(name: str, **changes: Any) -> io.Input:
    """The widget of a setting that is one of several words."""
    field = Settings.__dataclass_fields__[name]
    options, text = list(field.metadata["options"]), field.metadata["text"]
    if text.partition(":")[0] not in options:
        text = text[:1].upper() + text[1:]
    return io.Combo.Input(name, options=options, default=field.default, tooltip=f"{text}.", **changes)
