"""Graphs of libavfilter."""

from __future__ import annotations

from av.filter import Graph


def linked(*chain: tuple[str, str]) -> Graph:
    """A graph of (filter, arguments), each fed by the one before it; the first is a source, the last a sink."""
    graph = Graph()
    last = None
    for name, arguments in chain:
        following = graph.add(name, arguments) if arguments else graph.add(name)
        if last is not None:
            last.link_to(following)
        last = following
    graph.configure()
    return graph


def escaped(path: str) -> str:
    """A path, escaped for use as the value of a filter's argument."""
    for letter in "\\':,;[]":
        path = path.replace(letter, "\\" + letter)
    return path
