"""Every option for a clip after the engine has made it: the values and their checks.

The command line, jobs and nodes take options and ranges from here; `finish.chain` does the work, in its one order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonic_core.errors import SettingsError
from sonic_core.settings import MAX_SECONDS, choice, keep_plain, number, shown, switch

CANVAS_SIZES = {"9:16": (1080, 1920), "16:9": (1920, 1080), "1:1": (1080, 1080), "4:5": (1080, 1350)}
CANVAS_MODES = ("fit", "fill", "blur")
MAX_SIDE = 8192

# GB 45438-2025: a visible label is at least 5 % of the short side high and stands for two seconds from the start.
MIN_LABEL_SECONDS = 2.0
MIN_LABEL_HEIGHT = 0.05
CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
LABELS = {
    "zh": "AI生成",
    "en": "AI-generated",
    "ja": "AI生成",
    "ko": "AI 생성",
    "de": "KI-generiert",
    "fr": "Généré par IA",
    "es": "Generado por IA",
    "it": "Generato da IA",
    "pt": "Gerado por IA",
    "pl": "Wygenerowane przez AI",
    "ru": "Создано ИИ",
    "vi": "Tạo bởi AI",
    "tr": "Yapay zekâ ile üretildi",
}
TRANSPARENT = "transparent"
COLOURS = {"green": (0, 177, 64), "blue": (0, 71, 187)}  # those of studio screens, which keyers are set to
INTERPOLATION_METHODS = ("auto", "rife", "flow", "repeat")


@dataclass(frozen=True)
class Finishing:
    """What is done to the frames before they are written. Raises SettingsError for values that are not possible."""

    smooth: float = number(0.0, 0.0, 1.0, 0.05, "take out jitter and flicker: from 0, nothing, to 1")
    canvas: str | None = choice(
        None, None, f"put the video on a canvas: {', '.join(CANVAS_SIZES)}, or a size like 1080x1920"
    )
    canvas_mode: str = choice("blur", CANVAS_MODES, "what fills the canvas beside the video")
    background: str | None = choice(
        None, None, f"cut the person out and put behind them {', '.join(COLOURS)}, #rrggbb, {TRANSPARENT} or a picture"
    )
    label: str | None = choice(None, tuple(LABELS), "write that AI made it into the picture, in this language")
    label_text: str | None = choice(None, None, "write this into the picture in place of the usual words")
    label_seconds: float = number(
        MIN_LABEL_SECONDS,
        0.0,
        MAX_SECONDS,
        0.5,
        f"how long the label stands from the start, {MIN_LABEL_SECONDS:g} s at least; 0: all the time",
    )
    label_corner: str = choice("bottom-right", CORNERS, "where the label stands")
    record: bool = switch(True, "say in the file's metadata that AI made the video")

    def __post_init__(self) -> None:
        keep_plain(self)
        if self.canvas is not None:
            parse_canvas(self.canvas)
        if self.background is not None:
            parse_background(self.background)
        if self.label_text is not None:
            check_label(self.label_text)
        if 0 < self.label_seconds < MIN_LABEL_SECONDS:
            raise SettingsError(
                f"label_seconds is {self.label_seconds:g}; a label stands for {MIN_LABEL_SECONDS:g} s at least"
            )

    @property
    def words(self) -> str | None:
        """What is written into the picture, if anything."""
        return self.label_text or (LABELS[self.label] if self.label is not None else None)


def parse_canvas(text: str) -> tuple[int, int]:
    """(width, height) from "9:16" and the other names in CANVAS_SIZES, or from "1080x1920". Raises SettingsError."""
    if text in CANVAS_SIZES:
        return CANVAS_SIZES[text]
    width, cross, height = text.lower().partition("x")
    if not (cross and width.strip().isdecimal() and height.strip().isdecimal() and len(text) < 20):
        raise SettingsError(
            f"canvas {text[:40]!r} is not a size; give one of {', '.join(CANVAS_SIZES)} or like 1080x1920"
        )
    return checked_size(int(width), int(height))


def parse_background(text: str) -> tuple[int, int, int] | Path | None:
    """What stands behind the person: a colour (red, green, blue), the path of a picture, or None for nothing.

    It is not checked that the picture exists. Raises SettingsError for anything else.
    """
    name = text.strip().lower()
    if name == TRANSPARENT:
        return None
    if name in COLOURS:
        return COLOURS[name]
    if name.startswith("#"):
        try:
            red, green, blue = bytes.fromhex(name[1:])
            return red, green, blue
        except ValueError:
            raise SettingsError(
                f"background {text[:40]!r} is not a colour; give it as #rrggbb, such as #00b140"
            ) from None
    if not Path(text).suffix:
        known = ", ".join(COLOURS)
        raise SettingsError(
            f"background {text[:40]!r} is unknown; give {known}, #rrggbb, {TRANSPARENT} or the path of a picture"
        )
    return Path(text)


def check_no_path(text: str, or_else: str = "") -> None:
    """Raise SettingsError unless a background is a colour or none: a path would name a file of this machine.

    `or_else` ends the sentence with what else would do.
    """
    if isinstance(parse_background(text), Path):
        raise SettingsError(
            f"background is {text[:40]!r}; give {', '.join(COLOURS)}, #rrggbb or {TRANSPARENT}{or_else}"
        )


def is_transparent(background: str | None) -> bool:
    """Whether the background is transparent, which only some kinds of file can hold."""
    return background is not None and parse_background(background) is None


def checked_size(width: int, height: int) -> tuple[int, int]:
    """The size (width, height). Raises SettingsError for one that no encoder takes."""
    if not (16 <= width <= MAX_SIDE and 16 <= height <= MAX_SIDE) or width % 2 or height % 2:
        raise SettingsError(f"canvas is {width} x {height}; give even sides from 16 to {MAX_SIDE}")
    return width, height


def check_label(text: Any) -> None:
    """Raise SettingsError unless the text can stand in one line."""
    if not isinstance(text, str) or not text.strip() or len(text) > 80 or not text.isprintable():
        raise SettingsError(f"label text is {shown(text)}; give one line of 1 to 80 characters")
