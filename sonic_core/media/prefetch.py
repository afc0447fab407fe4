"""Working ahead: what comes next is made in other threads while the item before it is used.

Frames are drawn while earlier ones are encoded, and converted while later ones are decoded. Few items wait, so memory
stays bounded.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")
WORKERS = min(4, os.cpu_count() or 1)
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


def computed(tasks: Iterator[Callable[[], Item]], workers: int = WORKERS) -> Generator[Item, None, None]:
    """What the tasks return, in their order; up to `workers` of them run at a time, ahead of what was asked for.

    A task that follows itself runs once. What a task raises is raised here. Closing waits for the running ones.
    """
    waiting: deque[Future[Item]] = deque()
    before, future = None, None
    with ThreadPoolExecutor(workers, "computed") as pool:
        try:
            for task in tasks:
                if future is None or task is not before:
                    before, future = task, pool.submit(copy_context().run, task)
                waiting.append(future)
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for left in waiting:
                left.cancel()
