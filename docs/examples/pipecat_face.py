"""A photo as the face of a Pipecat voice agent: after the TTS, before the transport. pip install pipecat-ai

    face = PhotoFace(SonicPipeline.from_pretrained("lite").talk("portrait.jpg", "fast"))
    Pipeline([transport.input(), stt, user, llm, tts, face, transport.output(), assistant])

The transport must send video (video_out_enabled, video_out_is_live) of the size of `face.talk.size` at 25 frames a
second. The speech of the TTS goes in and comes out again in step with the picture; an interruption closes the mouth.
"""

import asyncio
import threading

import numpy as np
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    InterruptionFrame,
    OutputImageRawFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
)
from pipecat.processors.frame_processor import FrameProcessor

from sonic_core.disclosure.label import VisibleLabel
from sonic_core.live.encoder import Label
from sonic_core.live.pace import Pace
from sonic_core.live.session import LiveSession
from sonic_core.live.sound import RATE


class PhotoFace(FrameProcessor):
    """Takes TTSAudioRawFrames of any rate; gives pictures, and the same speech at 48 kHz."""

    def __init__(self, talk, label="en", **options):
        super().__init__(**options)
        self.talk, self.session, self.label = talk, LiveSession(talk), Label(VisibleLabel(label, None), talk.size)
        self.stop, self.thread = threading.Event(), threading.Thread(target=self.speak, daemon=True)
        self.ends = []  # TTSStoppedFrames that follow the speech still to come

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            samples = np.frombuffer(frame.audio, "<i2").reshape(-1, frame.num_channels).mean(1) / 32768
            return self.session.push(samples.astype(np.float32), frame.sample_rate)
        if isinstance(frame, TTSStoppedFrame):
            self.session.end()
            return self.ends.append(frame)
        if isinstance(frame, InterruptionFrame):
            self.session.interrupt()
            self.ends.clear()
        if isinstance(frame, (EndFrame, CancelFrame)):
            while isinstance(frame, EndFrame) and not self.session.silent():
                await asyncio.sleep(0.05)
            self.stop.set()
            await asyncio.to_thread(self.thread.join)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self.loop = asyncio.get_running_loop()
            self.thread.start()

    def speak(self):
        for shown in Pace().frames(self.session, self.stop.is_set):
            asyncio.run_coroutine_threadsafe(self.show(shown), self.loop).result()

    async def show(self, shown):
        if shown.picture is not None:
            picture = self.label.on(shown.picture, shown.moment.index)
            await self.push_frame(OutputImageRawFrame(picture.tobytes(), self.talk.size, "RGB"))
        if shown.moment.sound.any():
            sound = (shown.moment.sound * 32767).astype("<i2")
            await self.push_frame(TTSAudioRawFrame(sound.tobytes(), RATE, 1))
        elif self.ends and self.session.silent():
            await self.push_frame(self.ends.pop(0))
