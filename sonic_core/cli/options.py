"""Settings as command-line options: one option a setting, its help and range from `settings.py`."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import fields

from sonic_core.settings import PRESETS, Settings, preset

SHORT_NAMES = {"inference_steps": "steps"}
HIDDEN = {"fast"}  # said by --preset


def add_settings_options(parser: argparse.ArgumentParser, names: Collection[str] | None = None) -> None:
    """Add --preset and an option for every setting, or for those in `names`."""
    group = parser.add_argument_group("settings")
    group.add_argument("--preset", choices=list(PRESETS), default="high_quality", help="settings to start from")
    for setting in fields(Settings):
        if setting.name in HIDDEN or (names is not None and setting.name not in names):
            continue
        option = "--" + SHORT_NAMES.get(setting.name, setting.name).replace("_", "-")
        text = setting.metadata["text"].replace("%", "%%")
        default = setting.default
        if isinstance(default, bool):
            group.add_argument(option, dest=setting.name, action="store_true", default=None, help=text)
        elif setting.name == "face_box":
            group.add_argument(
                option, dest=setting.name, nargs=4, type=float, metavar=("X1", "Y1", "X2", "Y2"), help=text
            )
        elif "options" in setting.metadata:
            group.add_argument(option, dest=setting.name, choices=setting.metadata["options"], help=text)
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
    if "face_box" in given:
        given["face_box"] = tuple(given["face_box"])
    return preset(args.preset).with_changes(**given)
