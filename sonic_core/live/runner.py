"""Runs a talk on a thread of its own, which writes fragments of an MP4 or sends frames to a WebRTC peer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from sonic_core.disclosure.label import VisibleLabel
from sonic_core.live.fragments import Fragmenter
from sonic_core.live.pace import Pace
from sonic_core.live.session import LiveSession
from sonic_core.media.prefetch import ahead

if TYPE_CHECKING:
    from sonic_core.live.peer import Peer

logger = logging.getLogger(__name__)


class Runner(threading.Thread):
    """Calls `on_data` with bytes as they are written, and once with None at the end."""

    def __init__(
        self, session: LiveSession, label: VisibleLabel, talk_id: str, on_data: Callable[[bytes | None], None]
    ):
        super().__init__(name=f"talk-{talk_id}", daemon=True)
        self.session, self.label, self.talk_id, self.on_data = session, label, talk_id, on_data
        self.pace = Pace()
        self.peer: Peer | None = None  # once set, it gets the frames and `on_data` gets nothing
        self._stop_asked = threading.Event()

    def stop(self) -> None:
        """End the talk within a block of frames."""
        self._stop_asked.set()

    def run(self) -> None:
        fragments = Fragmenter(self.session.talk.size, self.label, self.talk_id)
        try:
            with closing(ahead(self.pace.frames(self.session, self._stop_asked.is_set))) as coming:
                for shown in coming:
                    if (peer := self.peer) is not None:
                        peer.write(shown)
                    elif data := fragments.write(shown):
                        self.on_data(data)
            self.on_data(fragments.close())
        except Exception:  # nothing above this thread would log it
            logger.exception("talk %s failed", self.talk_id)
        finally:
            self.on_data(None)
