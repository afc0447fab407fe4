"""Gives each frame of a GIF its own palette, by libavfilter's palettegen and paletteuse."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from av.filter import Graph

from sonic_core.media.filters import pulled, source_of


def paletted(pictures: Iterator[Any], fps: Fraction) -> Iterator[Any]:
    """rgb24 pictures as pal8, each with its own 256 colours, dithered so that still parts stay still."""
    graph = None
    for index, picture in enumerate(pictures):
        picture.pts, picture.time_base = index, 1 / Fraction(fps)
        graph = graph or _graph(picture)
        graph.push(picture)
        yield from pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from pulled(graph)


def _graph(picture: Any) -> Graph:
    graph = Graph()
    source = graph.add(*source_of(picture))
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
