"""Draw docs/images/architecture.svg: the way from photo and sound to a file, and the floors that imports go down.

    python tools/make_architecture.py

The floors are those of tests/test_floors.py, so the picture cannot say anything else.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from test_floors import FLOORS  # noqa: E402

WAY = (
    ("photo, sound", "media"),
    ("portrait, speech", "face, media"),
    ("condition", "engine"),
    ("sample", "engine"),
    ("decode: a Clip", "engine"),
    ("finish", "finish.chain"),
    ("file", "media, disclosure"),
)
WIDTH, STEP, ROW = 1000, 136, 40


def box(x: float, y: float, width: float, height: float, lines: list[str], fill: str) -> str:
    """A rounded box with centred lines of text, the first one larger."""
    text = "".join(
        f'<text x="{x + width / 2}" y="{y + height / 2 + 5 + 16 * (i - (len(lines) - 1) / 2)}" '
        f'text-anchor="middle" font-size="{14 if i == 0 else 12}">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="#555"/>{text}'


def picture() -> str:
    """The whole drawing as SVG."""
    parts = []
    for index, (what, where) in enumerate(WAY):
        x = 24 + index * STEP
        parts.append(box(x, 24, STEP - 20, 56, [what, where], "#e8f0f4"))
        if index:
            parts.append(f'<path d="M{x - 20} 52 L{x - 3} 52" stroke="#333" marker-end="url(#to)"/>')
    for index, floor in enumerate(FLOORS):
        names = ", ".join(name.removeprefix("sonic_core.") for name in floor)
        parts.append(box(24, 116 + index * ROW, WIDTH - 84, ROW - 6, [names], f"hsl(205 35% {96 - 3 * index}%)"))
    end = 116 + len(FLOORS) * ROW
    parts.append(f'<path d="M{WIDTH - 30} 120 L{WIDTH - 30} {end - 14}" stroke="#333" marker-end="url(#to)"/>')
    place = f'x="{WIDTH - 18}" y="{(116 + end) / 2}" font-size="12" writing-mode="tb"'
    parts.append(f"<text {place}>imports go down</text>")
    shape = 'markerWidth="8" markerHeight="8" refX="6" refY="4" orient="auto"'
    arrow = f'<defs><marker id="to" {shape}><path d="M0 0 L8 4 L0 8 z"/></marker></defs>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {end + 20}" font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="white"/>{arrow}{"".join(parts)}</svg>\n'
    )


if __name__ == "__main__":
    (ROOT / "docs" / "images" / "architecture.svg").write_text(picture(), encoding="utf-8")
