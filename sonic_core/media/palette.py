"""Gives each frame of a GIF its own palette, by libavfilter's palettegen and paletteuse."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.filter import Graph


def paletted(pictures: Iterator[Any], fps: Fraction) -> Iterator[Any]:
    """rgb24 pictures as pal8, each with its own 256 colours, dithered so that still parts stay still."""
    graph = None
    for index, picture in enumerate(pictures):
        picture.pts, picture.time_base = index, 1 / Fraction(fps)
        graph = graph or _graph(picture)
        graph.push(picture)
        yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _graph(picture: Any) -> Graph:
    graph = Graph()
    base = picture.time_base
    source = graph.add(
        "buffer",
        f"video_size={picture.width}x{picture.height}:pix_fmt=rgb24:time_base={base.numerator}/{base.denominator}"
        ":pixel_aspect=1/1",
    )
    split, sink = graph.add("split"), graph.add("buffersink")
    chosen = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    used = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=4")
    source.link_to(split)
    split.link_to(used, 0, 0)
    split.link_to(chosen, 1, 0)
    chosen.link_to(used, 0, 1)
    used.link_to(sink)
    graph.configure()
    return graph


def _pulled(graph: Graph) -> Iterator[Any]:
    while True:
        try:
            yield graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
