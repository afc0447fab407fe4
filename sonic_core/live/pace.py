"""Gives a talk its clock: as many frames as time has passed, and no picture rather than a late one.

Sound is never left out and never shifted: frame n and its sound belong to second n / 25 of the talk, so they cannot
drift apart. The talk as a whole can be late; `Pace.behind` says by how much.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass

import numpy as np

from sonic_core.live.session import LiveSession, Moment
from sonic_core.live.sound import FPS, FRAME, GATHERED

logger = logging.getLogger(__name__)

BLOCK = 4  # frames that the ears hear at a time
LATE = 0.25  # seconds after its time from which on a picture is left out
REPORTED = 30 * FPS  # frames between two warnings that pictures are left out
LOST = 2.0  # seconds behind from which on the clock starts anew, as after the machine slept


@dataclass
class LiveFrame:
    """A moment and its picture: uint8 (height, width, 3), or None if it was left out."""

    moment: Moment
    picture: np.ndarray | None


class Pace:
    """The clock of one talk."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep):
        self.clock, self.sleep = clock, sleep
        self.started: float | None = None
        self.behind = 0.0  # seconds between the end of a block's sound and its last frame
        self.shown = self.left_out = self.restarts = 0
        self._reported = 0  # of `left_out`

    def frames(self, session: LiveSession, ended: Callable[[], bool]) -> Generator[LiveFrame, None, None]:
        """Yield moments as they fall due, until `ended()` is true."""
        heard = 0
        self.started = self.clock()
        while not ended():
            heard += BLOCK
            due = self.started + heard / FPS
            wait = due - self.clock()
            if wait < -LOST:
                self.started, self.restarts = self.clock() - heard / FPS, self.restarts + 1
            self.sleep(max(0.0, wait))
            if heard % REPORTED < BLOCK:
                self._report()
            for moment in session.advance(BLOCK):
                yield self._shown(session, moment, self.started + heard / FPS)

    def _report(self) -> None:
        if self.left_out > self._reported:
            late, share = self.behind, self.left_out / (self.left_out + self.shown)
            logger.warning("this machine is too slow or busy: %.2f s behind, %.0f %% left out", late, 100 * share)
        self._reported = self.left_out

    def _shown(self, session: LiveSession, moment: Moment, due: float) -> LiveFrame:
        self.behind = max(0.0, self.clock() - due)
        if self.behind > LATE and moment.index % FPS:  # one picture a second comes in any case
            self.left_out += 1
            return LiveFrame(moment, None)
        self.shown += 1
        return LiveFrame(moment, session.talk.draw(moment.row))


def unpaced(session: LiveSession, pieces: Iterable[tuple[np.ndarray, int]]) -> Generator[LiveFrame, None, None]:
    """Yield all moments of the pieces (samples, rate) as fast as they can be made."""
    for samples, rate in pieces:
        session.push(samples, rate)
        while session.queue.waiting >= BLOCK * FRAME + GATHERED:
            yield from (LiveFrame(moment, session.talk.draw(moment.row)) for moment in session.advance(BLOCK))
    session.end()
    left = session.pending()
    while left > 0:
        for moment in session.advance(BLOCK)[:left]:
            yield LiveFrame(moment, session.talk.draw(moment.row))
            left -= 1
