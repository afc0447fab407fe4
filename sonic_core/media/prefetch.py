"""Works ahead: other threads make the next items while the current one is used.

So frames are drawn while earlier ones are encoded, and converted while later ones are decoded. Only a few items wait,
so memory stays bounded.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")
WORKERS = max(1, min(4, (os.cpu_count() or 1) - 1))  # one core is left to whoever uses the items
_END = object()


def ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items, each made ahead; an error in making one is raised here. Closing waits for the one being made."""
    context = copy_context()

    def following() -> Item | object:
        return context.run(next, items, _END)

    with ThreadPoolExecutor(1, "ahead") as thread:
        upcoming = thread.submit(following)
        while (item := upcoming.result()) is not _END:
            upcoming = thread.submit(following)
            yield item  # type: ignore[misc]


def computed(tasks: Iterator[Callable[[], Item]], workers: int = WORKERS) -> Generator[Item, None, None]:
    """The results of the tasks, in order; up to `workers` tasks run at a time, ahead of the consumer.

    A task that is repeated at once runs once. An error in a task is raised here. Closing waits for running tasks.
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
