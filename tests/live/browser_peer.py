"""The other side of a WebRTC talk, in place of a browser: speaks a second after it began, and keeps what it gets."""

import asyncio
from fractions import Fraction

import numpy as np
from aioice.ice import get_host_addresses
from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame
from bar_talk import tone

PACKET = 960

reachable = bool(get_host_addresses(True, True))  # aioice offers no loopback address


class Voice(AudioStreamTrack):
    """A second of silence, a tone of four seconds, and again, in packets of 20 ms."""

    def __init__(self):
        super().__init__()
        self.sound = (np.concatenate([np.zeros(48000, np.float32), tone(4)]) * 32767).astype(np.int16)
        self.at, self.began = 0, 0.0

    async def recv(self):
        now = asyncio.get_running_loop().time()
        self.began = self.began or now
        await asyncio.sleep(max(0.0, self.began + self.at / 48000 - now))
        start = self.at % len(self.sound)
        both = np.repeat(self.sound[start : start + PACKET], 2)
        frame = AudioFrame.from_ndarray(both[None], format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, self.at, Fraction(1, 48000)
        self.at += PACKET
        return frame


class BrowserPeer:
    def __init__(self, *codecs: str):
        """`codecs`: those for pictures that this browser takes, the dearest first."""
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.addTrack(Voice())
        video = self.connection.addTransceiver("video", direction="recvonly")
        known = RTCRtpReceiver.getCapabilities("video").codecs
        wanted = codecs or ("video/VP8",)
        video.setCodecPreferences([found for codec in wanted for found in known if found.mimeType == codec])
        self.pictures, self.sounds, self.tasks = [], [], []
        self.connection.on("track", lambda track: self.tasks.append(asyncio.ensure_future(self._keep(track))))

    async def _keep(self, track):
        try:
            while True:
                frame = await track.recv()
                if track.kind == "video":
                    self.pictures.append(frame.to_ndarray(format="rgb24"))
                else:
                    self.sounds.append(np.abs(frame.to_ndarray() / 32768.0).mean())
        except MediaStreamError:
            return

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def hears(self, condition, seconds: float = 20.0) -> None:
        """Wait until the condition holds."""
        end = asyncio.get_running_loop().time() + seconds
        while not condition():
            assert asyncio.get_running_loop().time() < end, "it did not come"
            await asyncio.sleep(0.05)
