"""Batches that other processes make ahead while a net learns."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import queue
from collections.abc import Callable
from typing import Any

import cv2
import torch


def made_ahead(make: Callable[[int], Any], workers: int = 1, first: int = 0, depth: int = 3) -> Callable[[], Any]:
    """A function that returns the batches `make(first)`, `make(first + 1)` and so on, of one worker in this order.

    `depth` batches wait at most. What `make` raises is raised by the function. The processes end with this one, even if
    it is killed.
    """
    context = multiprocessing.get_context("fork")
    waiting = context.Queue(depth)
    parent = os.getpid()

    def work(start: int) -> None:
        torch.set_num_threads(1)
        cv2.setNumThreads(0)
        for number in itertools.count(start, workers):
            try:
                batch = make(number)
            except Exception as error:
                batch = error
            while True:
                if os.getppid() != parent:
                    return
                try:
                    waiting.put(batch, timeout=1)
                    break
                except queue.Full:
                    continue
            if isinstance(batch, Exception):
                return

    def following() -> Any:
        batch = waiting.get()
        if isinstance(batch, Exception):
            raise batch
        return batch

    for k in range(workers):
        context.Process(target=work, args=(first + k,), daemon=True).start()
    return following
