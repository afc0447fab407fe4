"""Uploads a stream while it is being made: each segment once, then the playlist that names it.

Uploads run on a thread of their own, so that frames are drawn meanwhile. A store that does not answer ends the stream
and not the job: the video itself is uploaded at the end. Knows a store and file names; no jobs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from sonic_core.media.hls import INIT, PLAYLIST, segments
from sonic_core.storage.store import StorageError, Store

logger = logging.getLogger(__name__)

# A segment never changes, and the playlist grows every second. The times are short, since a CDN may go on serving its
# copy after the consent was withdrawn.
SEGMENT_CACHE, PLAYLIST_CACHE = "max-age=600, immutable", "max-age=1"
TYPES = {".m3u8": "application/vnd.apple.mpegurl", ".mp4": "video/mp4", ".m4s": "video/iso.segment"}


class SegmentUpload:
    """A context manager that ends with no upload under way. `key_of` gives the object's key for a file name."""

    def __init__(self, store: Store, key_of: Callable[[str], str]):
        self._store, self._key_of = store, key_of
        self._thread = ThreadPoolExecutor(1, "segments")
        self._running: Future[None] | None = None
        self._stored: set[str] = set()
        self._seen = ""  # the last uploaded playlist
        self.broken = False

    def __enter__(self) -> SegmentUpload:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def update(self, folder: Path) -> None:
        """Upload what was added to the stream's folder, unless an upload is under way. Cheap when nothing was."""
        if self.broken or (self._running is not None and not self._running.done()):
            return
        try:
            text = (folder / PLAYLIST).read_text()
        except FileNotFoundError:
            return
        if text != self._seen:
            self._seen = text
            self._running = self._thread.submit(self._upload, folder, text)

    def finish(self, folder: Path) -> None:
        """Upload the last segments and the finished playlist, and wait for that."""
        if self._running is not None:
            self._running.result()
        self.update(folder)
        if self._running is not None:
            self._running.result()

    def _upload(self, folder: Path, text: str) -> None:
        try:
            for name in (INIT, *segments(text)):
                if name not in self._stored:
                    self._put(name, folder / name)
                    self._stored.add(name)
            self._put(PLAYLIST, text.encode())
        except StorageError as error:
            self.broken = True
            logger.warning("the stream ends early, the video is still being made: %s", error)

    def _put(self, name: str, source: Path | bytes) -> None:
        kind, cache = TYPES[Path(name).suffix], PLAYLIST_CACHE if name == PLAYLIST else SEGMENT_CACHE
        key = self._key_of(name)
        self._store.put(key, source, content_type=kind, disposition="inline", cache=cache, overwrite=True)
