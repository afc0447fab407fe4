"""Carries a talk over WebRTC: a browser's microphone in, pictures and Opus out. Needs aiortc, the extra `webrtc`.

The browser makes the offer and this side answers; the caller transports both texts. Pictures are sent as VP8, which
every browser plays and which takes a third of the time of aiortc's H.264 to encode; a peer without VP8 gets H.264.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from sonic_core.disclosure.label import VisibleLabel
from sonic_core.errors import InputError
from sonic_core.live.encoder import Pictures
from sonic_core.live.pace import LiveFrame
from sonic_core.live.sound import FPS, RATE

logger = logging.getLogger(__name__)

PACKET = RATE // 50  # samples of one Opus packet
WAITING = {"video": FPS, "audio": 50}  # frames that may wait to be encoded: one second
MAX_OFFER = 64_000  # characters
MAX_CANDIDATES = 32  # addresses that an offer may name; each of them is sent packets
DEAD = ("failed", "closed")


class OutgoingTrack(MediaStreamTrack):
    """Holds frames for aiortc's encoder. When that is too slow it drops the oldest, so memory stays constant."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind
        self.frames: asyncio.Queue[Any] = asyncio.Queue(WAITING[kind])

    def put(self, frame: Any) -> None:
        if self.frames.full():
            self.frames.get_nowait()
        self.frames.put_nowait(frame)

    async def recv(self) -> Any:
        """Wait for the next frame; aiortc calls this."""
        if self.readyState != "live":
            raise MediaStreamError
        return await self.frames.get()


class Peer:
    """The connection to the other side of one talk. Call every method but `write` on the event loop that made it."""

    def __init__(
        self,
        size: tuple[int, int],
        label: VisibleLabel | None,
        on_sound: Callable[[np.ndarray, int], None],
        on_connected: Callable[[], None],
        on_lost: Callable[[], None],
        ice_servers: Sequence[dict[str, Any]] = (),
    ):
        """`on_sound(samples, rate)` gets the microphone's sound; `on_lost` is called when a connection has ended.

        `ice_servers` are STUN and TURN servers as a browser's RTCPeerConnection takes them. There are none by default,
        so no outside server is asked.
        """
        self.pictures = Pictures(size, label)
        self.on_sound, self.on_connected, self.on_lost = on_sound, on_connected, on_lost
        self.loop = asyncio.get_running_loop()
        servers = [RTCIceServer(**server) for server in ice_servers]
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self.connection.on("connectionstatechange", self._changed)
        self.connection.on("track", self._hear)
        self.video, self.audio = OutgoingTrack("video"), OutgoingTrack("audio")
        self.connected = False
        self._listening: asyncio.Task[None] | None = None

    async def answer(self, offer: str) -> str:
        """Return the answer to an offer, both in SDP. Raises InputError for an offer that cannot be met."""
        if len(offer) > MAX_OFFER or offer.count("a=candidate") > MAX_CANDIDATES:
            raise InputError(f"The offer has {len(offer)} characters or too many candidates; send one browser's offer.")
        pictures = self.connection.addTransceiver(self.video)
        self.connection.addTransceiver(self.audio)
        codecs = RTCRtpSender.getCapabilities("video").codecs
        pictures.setCodecPreferences(sorted(codecs, key=lambda codec: codec.mimeType != "video/VP8"))
        try:
            await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            parts = [transceiver.mid for transceiver in self.connection.getTransceivers()]
            if len(parts) != 2 or None in parts:
                raise InputError("The offer must have one part for sound and one for pictures.")
            await self.connection.setLocalDescription()
        except InputError:
            raise
        except Exception as error:  # aiortc raises many kinds of error for a damaged offer
            logger.info("an offer was refused: %r", error)
            raise InputError("The offer cannot be met: it is damaged, or has no codec that is known here.") from error
        return self.connection.localDescription.sdp

    def write(self, shown: LiveFrame) -> None:
        """Send a moment. May be called from any thread and never waits."""
        found = self.pictures.of(shown)
        if found is None:
            return
        index, picture = found
        frames: list[tuple[OutgoingTrack, Any]] = [
            (self.audio, frame) for frame in sound_frames(shown.moment.sound, index)
        ]
        if picture is not None:
            frames.append((self.video, video_frame(picture, index)))
        with suppress(RuntimeError):  # the loop, and with it the talk, has ended
            self.loop.call_soon_threadsafe(self._put, frames)

    async def close(self) -> None:
        """Hang up."""
        self.connected = False
        if self._listening is not None:
            self._listening.cancel()
        await self.connection.close()

    def _put(self, frames: list[tuple[OutgoingTrack, Any]]) -> None:
        for track, frame in frames:
            track.put(frame)

    def _changed(self) -> None:
        state = self.connection.connectionState
        if state == "connected" and not self.connected:
            self.connected = True
            self.on_connected()
        elif state in DEAD and self.connected:
            self.connected = False
            self.on_lost()

    def _hear(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self._listening = asyncio.ensure_future(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = av.AudioResampler(format="fltp", rate=RATE)  # its own mono of two like channels is 3 dB too loud
        with suppress(MediaStreamError):  # the other side has stopped sending
            while True:
                for part in resampler.resample(await track.recv()):  # type: ignore[arg-type]  # audio, as asked for
                    self.on_sound(part.to_ndarray().mean(0), RATE)


def sound_frames(sound: np.ndarray, index: int) -> list[av.AudioFrame]:
    """Cut the sound (FRAME,) of moment `index` into frames of one Opus packet each.

    They are stereo because aiortc makes stereo of mono 3 dB too quiet.
    """
    samples = (sound.clip(-1, 1) * 32767).astype(np.int16)
    frames = []
    for start in range(0, len(samples), PACKET):
        both = np.repeat(samples[start : start + PACKET], 2)
        frame = av.AudioFrame.from_ndarray(both[None], format="s16", layout="stereo")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        frame.pts = index * len(samples) + start
        frames.append(frame)
    return frames


def video_frame(picture: np.ndarray, index: int) -> av.VideoFrame:
    """Convert the uint8 picture (height, width, 3) of moment `index` to BT.601, which browsers take VP8 to be."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = index, Fraction(1, FPS)
    return frame
