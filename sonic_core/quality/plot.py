"""A picture of lips and speech over time, drawn with PIL: both openings above, the sound's waveform below."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from sonic_core.disclosure.label import FONT, sized_font
from sonic_core.media.image import save_image

WIDTH, HEIGHT, MARGIN = 1400, 520, 56
INK, GRID, SEEN, EXPECTED, SOUND = (40, 40, 40), (222, 222, 222), (200, 60, 40), (40, 100, 190), (150, 150, 150)
SCALE = 2  # drawn larger and made smaller, for smooth lines


def plot(
    path: str | os.PathLike[str],
    seen: np.ndarray,
    seen_fps: float,
    expected: np.ndarray,
    expected_fps: float,
    sound: np.ndarray,
    rate: int,
    title: str,
) -> None:
    """Write a PNG. `seen`, `expected`: lip openings (n,), NaN where unknown; `sound`: (samples,) at `rate` Hz."""
    seconds = max(len(seen) / seen_fps, len(expected) / expected_fps, len(sound) / rate, 0.1)
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "white")
    draw = ImageDraw.Draw(image)
    left, right = MARGIN, WIDTH - MARGIN // 2
    top, middle, bottom = MARGIN, HEIGHT - 170, HEIGHT - MARGIN // 2 - 16

    def x(time: float) -> float:
        return (left + (right - left) * time / seconds) * SCALE

    small, large = sized_font(FONT, 9 * SCALE), sized_font(FONT, 12 * SCALE)
    for second in range(0, int(seconds) + 1, max(1, int(seconds / 12))):
        draw.line([x(second), top * SCALE, x(second), bottom * SCALE], GRID, SCALE)
        draw.text((x(second) - 4 * SCALE, (bottom + 4) * SCALE), f"{second} s", INK, small)
    draw.text((left * SCALE, 12 * SCALE), title, INK, large)

    high = max(float(np.nanmax(track)) if np.isfinite(track).any() else 0.0 for track in (seen, expected))
    for track, fps, colour in ((expected, expected_fps, EXPECTED), (seen, seen_fps, SEEN)):
        times = [x((row + 0.5) / fps) for row in range(len(track))]
        heights = (middle - (middle - top) * track / max(high, 1e-6)) * SCALE
        _curve(draw, times, heights, colour)
    for row, (text, colour) in enumerate(
        (("lip opening in the frames", SEEN), ("opening implied by the speech", EXPECTED))
    ):
        draw.text(((right - 260) * SCALE, (12 + 18 * row) * SCALE), text, colour, small)

    columns = np.array_split(np.abs(sound), (right - left)) if len(sound) else []
    loud = max(float(np.abs(sound).max()) if len(sound) else 0.0, 1e-6)
    centre, reach = (middle + bottom) / 2 + 8, (bottom - middle) / 2 - 10
    shown = len(sound) / rate / seconds
    for i, column in enumerate(columns):
        if len(column):
            size = float(column.max()) / loud * reach
            at = (left + i * shown) * SCALE
            draw.line([at, (centre - size) * SCALE, at, (centre + size) * SCALE], SOUND, SCALE)
    save_image(np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.BOX)), path)


def _curve(
    draw: ImageDraw.ImageDraw, times: Sequence[float], heights: np.ndarray, colour: tuple[int, int, int]
) -> None:
    """A line through the known points, broken where they are unknown."""
    run: list[tuple[float, float]] = []
    for point in [*zip(times, heights, strict=True), (0.0, np.nan)]:
        if np.isfinite(point[1]):
            run.append((float(point[0]), float(point[1])))
            continue
        if len(run) > 1:
            draw.line(run, colour, 2 * SCALE, joint="curve")
        run = []
