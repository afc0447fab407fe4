"""Marks a clip as made by AI: the `AIGC` record in the file, and a visible label when asked for.

The record and the label follow GB 45438-2025: text at least 5 % of the short side high, for at least two seconds
from the start. `c2pa` signs the finished file; the order is label, record, signature.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sonic_core.clip import Clip
from sonic_core.errors import SettingsError
from sonic_core.finishing import CORNERS, LABELS, check_label
from sonic_core.finishing import MIN_LABEL_HEIGHT as MIN_HEIGHT
from sonic_core.finishing import MIN_LABEL_SECONDS as MIN_SECONDS
from sonic_core.video.layers import drawn_over
from sonic_core.video.windows import stage

FONT = Path(__file__).parent / "fonts" / "NotoSansSC-Bold-subset.otf"
RECORD_KEY = "AIGC"
DEFAULT_PRODUCER = "Sonic Studio"

STROKE = 0.09  # width of the dark outline, as a share of the text height
MARGIN = 0.8  # distance from the borders, in text heights


@dataclass(frozen=True)
class VisibleLabel:
    """The text drawn into the picture. `text` is a language of LABELS or the words themselves.

    `height` is that of a capital letter as a share of the short side, `seconds` how long it stands from the start
    (None: all the time), `font` a font file for scripts the bundled one lacks.
    """

    text: str = "zh"
    seconds: float | None = MIN_SECONDS
    height: float = MIN_HEIGHT
    corner: str = "bottom-right"
    font: Path | None = None

    def __post_init__(self) -> None:
        check_label(self.text)
        if self.seconds is not None and not self.seconds >= MIN_SECONDS:
            raise SettingsError(f"label seconds is {self.seconds}; the rules ask for at least {MIN_SECONDS:g}")
        if not MIN_HEIGHT <= self.height <= 0.5:
            raise SettingsError(f"label height is {self.height}; give a share from {MIN_HEIGHT} to 0.5")
        if self.corner not in CORNERS:
            raise SettingsError(f"label corner is {self.corner!r}; choose one of {', '.join(CORNERS)}")

    @property
    def words(self) -> str:
        """The words that are drawn."""
        return LABELS.get(self.text, self.text)


def record(job_id: str = "", producer: str = DEFAULT_PRODUCER) -> str:
    """The value of the `AIGC` key: JSON in the form of GB 45438-2025, label 1 ("is AI-generated")."""
    fields = {
        "Label": "1",
        "ContentProducer": producer,
        "ProduceID": job_id,
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def label(clip: Clip, visible: VisibleLabel | None = None, job_id: str = "", producer: str = DEFAULT_PRODUCER) -> Clip:
    """The clip with the `AIGC` record and, with `visible`, the label drawn into its first seconds.

    Raises SettingsError when the font lacks a character or the text does not fit the width.
    """
    marked = clip.replaced(metadata={**clip.metadata, RECORD_KEY: record(job_id, producer)})
    return marked if visible is None else shown_on(marked, visible)


def shown_on(clip: Clip, visible: VisibleLabel) -> Clip:
    """The clip with the label drawn into its first seconds; its metadata stay as they are."""
    colour, cover = draw(visible, clip.width, clip.height)
    shown = clip.frame_count if visible.seconds is None else math.ceil(visible.seconds * clip.fps)

    def frames():
        for index, frame in enumerate(clip.frames()):
            yield drawn_over(frame, colour, cover) if index < shown else frame

    return stage(clip, frames)


def draw(visible: VisibleLabel, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Colour (height, width, 3) and cover (height, width, 1) of the label, float32 in [0, 1]."""
    text, path = visible.words, visible.font or FONT
    check_glyphs(visible)
    tall = math.ceil(visible.height * min(width, height))
    font = sized_font(path, tall)
    stroke = max(1, round(STROKE * tall))
    left, top, right, bottom = font.getbbox(text, stroke_width=stroke)
    margin = round(MARGIN * tall)
    if right - left + 2 * margin > width:
        raise SettingsError(f"the label {text!r} does not fit a video {width} pixels wide; give a shorter one")
    x = margin - left if visible.corner.endswith("left") else width - margin - right
    y = margin - top if visible.corner.startswith("top") else height - margin - bottom
    letters, outline = Image.new("L", (width, height)), Image.new("L", (width, height))
    ImageDraw.Draw(letters).text((x, y), text, 255, font)
    ImageDraw.Draw(outline).text((x, y), text, 255, font, stroke_width=stroke)
    white = np.asarray(letters, np.float32)[..., None] / 255
    cover = np.maximum(white, np.asarray(outline, np.float32)[..., None] / 255 * 0.75)
    colour = np.broadcast_to(white / np.maximum(cover, 1e-6), (height, width, 3)).astype(np.float32)
    return colour, cover


@lru_cache(maxsize=8)
def sized_font(path: Path, tall: int) -> ImageFont.FreeTypeFont:
    """The font at the smallest size whose capital letters are at least `tall` pixels high."""
    size = tall
    while True:
        font = ImageFont.truetype(str(path), size)
        _, top, _, bottom = font.getbbox("H")
        if bottom - top >= tall:
            return font
        size += max(1, int(tall - (bottom - top)) // 2)


def check_glyphs(visible: VisibleLabel) -> None:
    """Raise SettingsError naming the characters that the font would draw as empty boxes."""
    font = ImageFont.truetype(str(visible.font or FONT), 32)
    missing_glyph = bytes(font.getmask("\U0010fffe"))
    missing = [c for c in visible.words if not c.isspace() and bytes(font.getmask(c)) == missing_glyph]
    if missing:
        raise SettingsError(
            f"the label's font has no {''.join(dict.fromkeys(missing))!r}; give a font file that has, or another text"
        )
