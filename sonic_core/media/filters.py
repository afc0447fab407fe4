"""Graphs of libavfilter."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.filter import Graph


def linked(frame: Any, *chain: tuple[str, str]) -> Graph:
    """A graph for frames like this one, of (filter, arguments), each fed by the one before it."""
    graph = Graph()
    last = graph.add(*source_of(frame))
    for name, arguments in (*chain, ("buffersink", "")):
        following = graph.add(name, arguments) if arguments else graph.add(name)
        last.link_to(following)
        last = following
    graph.configure()
    return graph


def source_of(frame: Any) -> tuple[str, str]:
    """The source of a graph for frames like this one, whose pixels are taken as square, and its arguments."""
    base = frame.time_base or Fraction(1, 90_000)
    return "buffer", (
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
        f":time_base={base.numerator}/{base.denominator}:pixel_aspect=1/1"
    )


def pulled(graph: Graph) -> Iterator[Any]:
    """The frames that have left a graph so far."""
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        yield frame


def escaped(path: str) -> str:
    """A path, escaped for use as the value of a filter's argument."""
    for letter in "\\':,;[]":
        path = path.replace(letter, "\\" + letter)
    return path
