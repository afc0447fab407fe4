"""Draws the pack's icon and banner: a speech bubble whose mouth is a sound wave.

python tools/make_icon.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
FONT = ROOT / "sonic_core" / "finish" / "fonts" / "NotoSansSC-Bold-subset.otf"
NIGHT, TEAL, CREAM = (22, 33, 46), (38, 198, 182), (250, 244, 232)
BARS = (0.22, 0.5, 0.9, 0.62, 1.0, 0.55, 0.8, 0.42, 0.2)  # heights of the wave
FINE = 4  # drawn larger, then scaled down


def mark(side: int) -> Image.Image:
    """The icon, RGBA (side, side)."""
    size = side * FINE
    picture = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, size - 1, size - 1), size * 0.22, fill=NIGHT)
    draw.ellipse((size * 0.14, size * 0.12, size * 0.86, size * 0.80), fill=TEAL)
    draw.polygon([(size * 0.28, size * 0.68), (size * 0.24, size * 0.92), (size * 0.5, size * 0.76)], fill=TEAL)
    for eye in (0.37, 0.63):
        radius = size * 0.045
        x, y = size * eye, size * 0.34
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=NIGHT)
    width = size * 0.5 / len(BARS)
    for index, bar in enumerate(BARS):
        x, half = size * 0.25 + (index + 0.5) * width, bar * size * 0.12
        box = (x - width * 0.3, size * 0.57 - half, x + width * 0.3, size * 0.57 + half)
        draw.rounded_rectangle(box, width * 0.3, fill=CREAM)
    return picture.resize((side, side), Image.Resampling.LANCZOS)


def banner(width: int, height: int) -> Image.Image:
    """The icon with the name beside it, RGB."""
    picture = Image.new("RGB", (width, height), NIGHT)
    icon = mark(height * 3 // 4)
    picture.paste(icon, (height // 8, height // 8), icon)
    draw = ImageDraw.Draw(picture)
    left = height + height // 16
    draw.text((left, height * 0.28), "Sonic Studio", CREAM, ImageFont.truetype(str(FONT), height // 6))
    draw.text(
        (left, height * 0.56), "one photo, one voice, a talking video", TEAL, ImageFont.load_default(height // 17)
    )
    return picture


if __name__ == "__main__":
    IMAGES.mkdir(parents=True, exist_ok=True)
    mark(400).save(IMAGES / "icon.png", optimize=True)
    banner(1260, 540).save(IMAGES / "banner.png", optimize=True)
