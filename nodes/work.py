"""Long work in a thread of its own, so that a cancel is heard within a tenth of a second whatever the work is doing.

ComfyUI asks a node to look for a cancel by itself, which it cannot while a layer computes or a file is read. Here the
node's own thread only watches: on a cancel it leaves at once, and the work stops by itself at its next step, layer of
a network or block of sound. Work begins when the one before it has stopped, so two never share the networks.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

import torch
from comfy import model_management

from sonic_core.progress import OnStep, stop_if_cancelled, stopped_by

from . import host

WATCH_SECONDS = 0.1
SAY_SECONDS = 1.0

T = TypeVar("T")

_turn = threading.Lock()


class Left(Exception):
    """Raised inside work that was cancelled: nobody waits for its result."""


class Watch:
    """The progress of some work: the work reports it, and the thread that waits reads it."""

    def __init__(self) -> None:
        self.left = threading.Event()
        self.done, self.total = 0, 0
        self.began = self.stepped = time.monotonic()
        self._show = host.stepper()

    def on_step(self, done: int, total: int, preview: Any = None) -> None:
        """Moves the progress bar. Raises Left when the work was cancelled."""
        check_left(self.left)
        self.done, self.total, self.stepped = done, total, time.monotonic()
        self._show(done, total, preview)

    def line(self) -> str:
        """The line shown on the node: steps done and time left, or the elapsed time where the end is unknown."""
        gone = time.monotonic() - self.began
        if not self.total or not self.done:
            return clock(gone)
        a_step = (self.stepped - self.began) / self.done
        left = max(a_step * (self.total - self.done) - (time.monotonic() - self.stepped), 0.0)
        return f"{self.done} / {self.total} · {clock(left)} left"


def cancellable(work: Callable[[OnStep], T], *, alone: bool = True) -> T:
    """What `work(on_step)` returns. Progress is shown each second; a cancel raises ComfyUI's exception at once.

    `alone`: only when no other such work runs; work that merely waits for a network need not be.
    """
    watch = Watch()

    def turn() -> T:
        if not alone:
            return work(watch.on_step)
        with _turn:
            check_left(watch.left)
            watch.began = time.monotonic()
            return work(watch.on_step)

    context, inference = contextvars.copy_context(), torch.is_inference_mode_enabled()

    def inside() -> T:
        with torch.inference_mode(inference), stopped_by(lambda: check_left(watch.left)):
            return turn()

    future = started(lambda: context.run(inside))
    began = said = time.monotonic()
    try:
        while not wait([future], WATCH_SECONDS).done:
            model_management.throw_exception_if_processing_interrupted()
            if time.monotonic() - said >= SAY_SECONDS:
                said = time.monotonic()
                host.say(watch.line())
        if said > began:  # the time left stands there no longer
            host.say(clock(time.monotonic() - began))
        return future.result()
    finally:
        watch.left.set()


def started(work: Callable[[], T]) -> Future[T]:
    """Start work in a daemon thread, which does not keep ComfyUI from exiting; the future gets its result."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="sonic-work", daemon=True).start()
    return future


def stop_when_left(network: torch.nn.Module) -> None:
    """Make every layer of a network check for a cancel: one step of a large network takes many seconds."""
    if hasattr(network, "_orig_mod"):  # compiled: a hook would cut the graph into pieces
        return
    for layer in network.modules():
        if not any(True for _ in layer.children()):
            layer.register_forward_pre_hook(_before_layer)


def check_left(left: threading.Event) -> None:
    if left.is_set():
        raise Left("cancelled")


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _before_layer(*_: Any) -> None:
    stop_if_cancelled()
