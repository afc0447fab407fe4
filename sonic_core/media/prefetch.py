"""Working ahead: the next item is made in a thread of its own while the one before is used.

Frames are drawn while earlier ones are encoded. Never more than one item waits, so memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


def ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items; what making one raises is raised here. Closing waits for the item in the making, if any."""
    context = copy_context()

    def following() -> Item | object:
        return context.run(next, items, _END)

    with ThreadPoolExecutor(1, "ahead") as thread:
        upcoming = thread.submit(following)
        while (item := upcoming.result()) is not _END:
            upcoming = thread.submit(following)
            yield item  # type: ignore[misc]
