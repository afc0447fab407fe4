"""Settings as command-line options: one option a setting, its help and range from `settings.py`."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import Field, fields
from typing import Any

from sonic_core.settings import DEFAULT_PRESET, PRESETS, Settings, preset

SHORT_NAMES = {"inference_steps": "steps"}
HIDDEN = {"fast"}  # said by --preset


def add_settings_options(parser: argparse.ArgumentParser, names: Collection[str] | None = None) -> None:
    """Add --preset and an option for every setting, or for those in `names`."""
    group = parser.add_argument_group("settings")
    group.add_argument("--preset", choices=list(PRESETS), default=DEFAULT_PRESET, help="settings to start from")
    for setting in fields(Settings):
        if setting.name in HIDDEN or (names is not None and setting.name not in names):
            continue
        add_field(group, setting)


def add_field(group: argparse._ActionsContainer, setting: Field[Any]) -> None:
    """Add the option of one field of Settings or Finishing: its name, type, range and help. Left out, it gives None."""
    option = "--" + SHORT_NAMES.get(setting.name, setting.name).replace("_", "-")
    text, default = setting.metadata["text"].replace("%", "%%"), setting.default
    usual = "" if default is None else f" ({default})"
    if isinstance(default, bool):
        group.add_argument(option, dest=setting.name, action="store_true", default=None, help=text)
    elif "item" in setting.metadata:
        least, most = setting.metadata["least"], setting.metadata["most"]
        count = most if least == most else "+"
        group.add_argument(
            option, dest=setting.name, nargs=count, type=setting.metadata["item"], metavar="N", help=text
        )
    elif "options" in setting.metadata:
        names = setting.metadata["options"]
        group.add_argument(
            option, dest=setting.name, choices=names, metavar=None if names else "TEXT", help=text + usual
        )
    else:
        shown = "" if default is None else f", usually {default:g}"
        text = f"{text} ({setting.metadata['low']:g} to {setting.metadata['high']:g}{shown})"
        kind = int if isinstance(default, int) else float
        group.add_argument(option, dest=setting.name, type=kind, metavar="N", help=text)


def settings_from(args: argparse.Namespace) -> Settings:
    """The settings that parsed options say. Raises SettingsError for values out of range."""
    given = {
        setting.name: getattr(args, setting.name)
        for setting in fields(Settings)
        if getattr(args, setting.name, None) is not None
    }
    return preset(args.preset).with_changes(**given)
