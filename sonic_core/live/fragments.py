"""Writes a talk as one endless MP4 for Media Source Extensions: an init segment, then a fragment for each block."""

from __future__ import annotations

import av

from sonic_core.disclosure.label import VisibleLabel
from sonic_core.live.encoder import LiveEncoder
from sonic_core.live.pace import BLOCK, LiveFrame
from sonic_core.live.sound import FPS

MIME = 'video/mp4; codecs="avc1.64001f, mp4a.40.2"'


class Sink:
    """Keeps what the muxer writes until `taken` asks for it."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> int:
        self.written += data
        return len(data)

    def taken(self) -> bytes:
        out, self.written = bytes(self.written), bytearray()
        return out


class Fragmenter:
    """Turns moments into bytes, which joined make one MP4."""

    def __init__(self, size: tuple[int, int], label: VisibleLabel | None, job_id: str = ""):
        self.sink = Sink()
        self.container = av.open(
            self.sink,
            "w",
            format="mp4",
            options={
                "movflags": "empty_moov+default_base_moof+use_metadata_tags",
                "frag_duration": str(BLOCK * 1_000_000 // FPS),
                "flush_packets": "1",
            },
        )
        self.encoder = LiveEncoder(self.container, size, label, job_id)

    def write(self, shown: LiveFrame) -> bytes:
        """Encode a moment and return the bytes that it completed, perhaps none."""
        self.encoder.write(shown)
        return self.sink.taken()

    def close(self) -> bytes:
        """Finish the file and return its last bytes."""
        self.encoder.finish()
        self.container.close()
        return self.sink.taken()
