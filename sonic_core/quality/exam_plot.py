"""The exam as a picture: lip opening over time, and under it the phones that demand a shape of the lips."""

from __future__ import annotations

import os

import numpy as np
from PIL import Image, ImageDraw

from sonic_core.disclosure.label import FONT, sized_font
from sonic_core.media.image import save_image
from sonic_core.quality.alignment import Phone
from sonic_core.quality.exam import CLOSED, PHONES, LipTrack

HEIGHT, MARGIN, SECOND, MOST = 420, 48, 240, 12_000  # px; px a second, and at most in all
SCALE = 2  # drawn larger and made smaller, for smooth lines
INK, LINE, GREY = (40, 40, 40), (200, 60, 40), (215, 215, 215)
COLOURS = {
    "closed": (214, 74, 61),
    "teeth": (226, 150, 40),
    "open": (70, 130, 190),
    "round": (120, 90, 180),
    "spread": (80, 160, 90),
}


def plot_exam(path: str | os.PathLike[str], track: LipTrack, phones: list[Phone], title: str) -> None:
    """Write a PNG of the tracked opening over the aligned phones; a long clip is squeezed into MOST pixels of width."""
    seconds = max(float(track.times[-1]), phones[-1].end if phones else 0.1, 0.1)
    width = min(MOST, round(seconds * SECOND) + 2 * MARGIN)
    image = Image.new("RGB", (width * SCALE, HEIGHT * SCALE), "white")
    draw, small = ImageDraw.Draw(image), sized_font(FONT, 9 * SCALE)
    top, bottom = MARGIN, HEIGHT - 110
    highest = max(float(np.nanmax(track.gap)), 0.03)

    def x(time: float) -> float:
        return (MARGIN + (width - 2 * MARGIN) * time / seconds) * SCALE

    def y(gap: float) -> float:
        return (bottom - (bottom - top) * gap / highest) * SCALE

    draw.text((MARGIN * SCALE, 12 * SCALE), title, INK, sized_font(FONT, 12 * SCALE))
    draw.line([x(0), y(CLOSED), x(seconds), y(CLOSED)], GREY, SCALE)
    for index, phone in enumerate(phones):
        kinds = [kind for kind, names in PHONES.items() if phone.name in names]
        for row, kind in enumerate(kinds):
            low = bottom + 12 + 14 * row
            draw.rectangle([x(phone.start), low * SCALE, x(phone.end), (low + 11) * SCALE], COLOURS[kind])
        if "closed" in kinds:
            draw.line([x(phone.middle), top * SCALE, x(phone.middle), bottom * SCALE], GREY, SCALE)
        if phone.name != "SIL":
            draw.text((x(phone.start), (bottom + 42 + 13 * (index % 2)) * SCALE), phone.name, INK, small)
    for column, (kind, colour) in enumerate(COLOURS.items()):
        draw.text(((MARGIN + 70 * column) * SCALE, (HEIGHT - 28) * SCALE), kind, colour, small)
    known = np.isfinite(track.gap)
    points = [(x(time), y(gap)) for time, gap in zip(track.times[known], track.gap[known], strict=True)]
    if len(points) > 1:
        draw.line(points, LINE, 2 * SCALE, joint="curve")
    save_image(np.asarray(image.resize((width, HEIGHT), Image.Resampling.BOX)), path)
