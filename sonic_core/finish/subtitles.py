"""Subtitles written into the picture: white with a dark outline, at the bottom, above what apps lay over tall videos.

Drawn with Pillow in the first font that has all the letters: libass, which libavfilter could use, is in none of PyAV's
builds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sonic_core.clip import Clip
from sonic_core.disclosure.label import FONT
from sonic_core.errors import InputError, SettingsError
from sonic_core.media.subtitles import Cue, shown_at
from sonic_core.video.layers import drawn_over
from sonic_core.video.windows import stage

HEIGHT = 0.055  # of a letter, as a share of the short side
WIDTH = 0.88  # of the picture that a line may take
MARGIN, TALL_MARGIN = 0.06, 0.2  # free space below, as a share of the height; in tall videos apps have buttons there
STROKE = 0.1
LINE = 1.3  # from line to line, in heights of the font

# Where systems keep fonts with many scripts.
SYSTEM_FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/truetype/noto/NotoSans-Bold.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans-Bold.ttf",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/Hiragino Sans GB.ttc",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
    "C:/Windows/Fonts/msyhbd.ttc",
    "C:/Windows/Fonts/arialbd.ttf",
)
NO_LETTER = "\U0010fffe"


def subtitled(clip: Clip, cues: Sequence[Cue], font: Path | None = None) -> Clip:
    """The clip with the cues drawn into its frames.

    `font`: a font file, for scripts that no installed one has. Raises InputError for a font that cannot be read,
    SettingsError when no font has all the letters.
    """
    face = font_for("".join(cue.text for cue in cues), font)
    size = max(8, round(HEIGHT * min(clip.width, clip.height)))
    drawn: dict[tuple[Cue, ...], tuple[np.ndarray, np.ndarray, int]] = {}

    def frames() -> Iterator[np.ndarray]:
        for index, frame in enumerate(clip.frames()):
            now = shown_at(cues, float(index / clip.fps))
            if not now:
                yield frame
                continue
            if now not in drawn:
                drawn.clear()
                drawn[now] = draw("\n".join(cue.text for cue in now), _sized(face, size), clip.width, clip.height)
            colour, cover, top = drawn[now]
            frame = frame.copy()
            rows = frame[top : top + len(cover)]
            rows[:] = drawn_over(rows, colour, cover)
            yield frame

    return stage(clip, frames)


def draw(text: str, font: ImageFont.FreeTypeFont, width: int, height: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Colour (rows, width, 1) and cover (rows, width, 1) of lines of text, float32, and their first row."""
    lines = [part for line in text.split("\n") for part in wrapped(line, font, WIDTH * width)]
    size = float(font.size)
    stroke = max(1, round(STROKE * size))
    rows = min(height, round(LINE * size * len(lines)) + 2 * stroke)
    letters, outline = Image.new("L", (width, rows)), Image.new("L", (width, rows))
    for number, line in enumerate(lines):
        place = ((width - font.getlength(line)) / 2, stroke + LINE * size * number)
        ImageDraw.Draw(letters).text(place, line, 255, font)
        ImageDraw.Draw(outline).text(place, line, 255, font, stroke_width=stroke)
    white = np.asarray(letters, np.float32)[..., None] / 255
    cover = np.maximum(white, np.asarray(outline, np.float32)[..., None] / 255 * 0.85)
    margin = TALL_MARGIN if height > width else MARGIN
    top = max(0, min(height - rows, round(height * (1 - margin)) - rows))
    return white / np.maximum(cover, 1e-6), cover, top


def wrapped(line: str, font: ImageFont.FreeTypeFont, room: float) -> list[str]:
    """A line broken at spaces, and between letters where there are none, so that each part fits."""
    parts, current = [], ""
    for word in _words(line):
        if current and font.getlength((current + word).rstrip()) > room:
            parts.append(current.strip())
            current = ""
        current += word
    return [*parts, current.strip()] if current.strip() else parts


def _words(line: str) -> Iterator[str]:
    """Words with the space after them; letters of scripts without spaces one by one."""
    word = ""
    for letter in line:
        word += letter
        if letter == " " or "\u2e80" <= letter <= "\u9fff" or "\uac00" <= letter <= "\uffef":
            yield word
            word = ""
    if word:
        yield word


def font_for(text: str, given: Path | None = None) -> Path:
    """The first font with all letters of `text`. Raises InputError and SettingsError."""
    if given is not None:
        try:
            missing = missing_letters(given, text)
        except OSError as error:
            raise InputError(f"font {str(given)!r} cannot be read ({error}); give a TTF, OTF or TTC file") from error
        if missing:
            raise SettingsError(f"font {given.name!r} has no {missing[:20]!r}; give one that has")
        return given
    missing = text
    for font in (FONT, *map(Path, SYSTEM_FONTS)):
        try:
            missing = missing_letters(font, text)
        except OSError:
            continue  # not on this system
        if not missing:
            return font
    raise SettingsError(f"no font here has {missing[:20]!r}; give a font file that has with --subtitles-font")


def missing_letters(path: Path, text: str) -> str:
    """The letters that a font would draw as empty boxes. Raises OSError for a file that is no font."""
    font = ImageFont.truetype(str(path), 32)
    box = bytes(font.getmask(NO_LETTER))
    letters = dict.fromkeys(letter for letter in text if not letter.isspace())
    return "".join(letter for letter in letters if bytes(font.getmask(letter)) == box)


@lru_cache(maxsize=4)
def _sized(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)
