"""Motion made piece by piece, every piece a continuation of the frames before it.

A piece is sampled together with the last frames handed out and a few frames after it. The earlier frames are held at
their values while the rest is denoised, so the head continues from where it was. The later ones are thrown away, so
every frame handed out knows what follows it. Whole clips and live speech differ only in the length of the pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sonic_core.engines.lite import layout
from sonic_core.engines.lite.emphasis import accents, events
from sonic_core.engines.lite.motion import GUIDED, SIGMA_MAX, SIGMA_MIN, MotionModel, SpeechFeatures, joined, loudness
from sonic_core.engines.lite.savgol import SPAN
from sonic_core.media.stored_sound import Speech
from sonic_core.sampling import SOLVERS, Guidance, Windows, karras_sigmas, sample
from sonic_core.settings import Settings
from sonic_core.speech.log_mel import SAMPLE_RATE
from sonic_core.speech.pitch import pitch
from sonic_core.threads import one_thread

FRAME_SAMPLES = SAMPLE_RATE // layout.FPS
# Frames of a whole clip: seen again, handed out at a time (the first time: a second and a half), looked ahead.
KNOWN, NEW, FIRST, AHEAD = 32, 80, 38, 16


class MotionStream:
    """The motion of one face. `known` frames of the past are seen again with every piece."""

    def __init__(self, model: MotionModel, settings: Settings, guidance: float, known: int):
        self.model, self.settings, self.known = model, settings, known
        self.guidance = Guidance((guidance,), interval=GUIDED) if guidance != 1 else Guidance()
        self.sigmas = karras_sigmas(settings.inference_steps, SIGMA_MIN, SIGMA_MAX)
        self.generator = torch.Generator().manual_seed(settings.seed)
        channels = model.net.config.channels
        self.past = torch.zeros(0, channels)  # clean rows that were handed out, newest last, normalised
        self.noise = torch.zeros(0, channels)  # of `past` and of frames beyond it that were sampled before

    @one_thread()
    def extend(self, heard: SpeechFeatures, new: int) -> Tensor:
        """The next `new` rows (new, 27), in the units of `layout`.

        `heard` covers the frames of `self.past`, the new ones and as many beyond them as are to be looked ahead.
        """
        net, past = self.model.net, self.past
        frames = len(heard.mouth)
        self._draw(frames)
        latents = self.noise[:frames] * SIGMA_MAX
        latents[: len(past)] += past
        latents = sample(
            held(self.model.denoiser(heard), past),
            latents.to(net.mean),
            self.sigmas,
            windows=Windows(frames),
            guidance=self.guidance,
            solver=SOLVERS["dpmpp_2m"],
        ).cpu()
        self.past = latents[: len(past) + new][-self.known :]
        self.noise = self.noise[len(past) + new - len(self.past) :]
        near = max(0, len(past) - SPAN)  # smoothing and gestures look back that far
        settings = self.settings
        scales = settings.dynamic_scale, settings.motion_scale
        rows = self.model.finished(heard.part(near, None), latents[near:], settings.seed, *scales)
        return rows[len(past) - near :][:new]

    def _draw(self, frames: int) -> None:
        """Draw noise frame by frame, so that it does not depend on how the speech is cut."""
        channels = self.model.net.config.channels
        drawn = [torch.randn(1, channels, generator=self.generator) for _ in range(frames - len(self.noise))]
        self.noise = torch.cat([self.noise, *drawn])


def held(denoise, past: Tensor):
    """A denoiser whose estimates of the first frames are replaced by their known values `past` (n, channels)."""

    def estimate(noisy: Tensor, sigma: float, frames: Tensor, branches: tuple[int, ...]) -> Tensor:
        out = denoise(noisy, sigma, frames, branches)
        out[:, :, : len(past)] = past.to(out)
        return out

    return estimate


BLOCK, AROUND = 8 * layout.FPS, 2 * layout.FPS  # frames listened to at a time, and of sound to either side of them


class Listener:
    """The features of a whole speech, computed block by block when they are asked for."""

    def __init__(self, model: MotionModel, speech: Speech, frames: int):
        self.model, self.speech, self.frames = model, speech, frames
        loud = loudness(speech, frames)
        self.life, self.events = model.life(loud), events(loud, accents(pitch(speech, frames)))
        self.known = self._listen(0)  # of the frames from `start` on
        self.start = 0

    def heard(self, first: int, last: int) -> SpeechFeatures:
        """The features of the frames from `first` up to but not including `last`; neither may go back."""
        while (end := self.start + len(self.known.mouth)) < last:
            self.known = joined([self.known.part(first - self.start, None), self._listen(end)])
            self.start = first
        return self.known.part(first - self.start, last - self.start)

    def _listen(self, first: int) -> SpeechFeatures:
        last = min(first + BLOCK, self.frames)
        start, stop = max(0, first - AROUND), min(last + AROUND, self.frames)
        part = self.speech[start * FRAME_SAMPLES : stop * FRAME_SAMPLES]
        mouth, wanted = self.model.ears.predict(part, stop - start)
        inner = slice(first - start, last - start)
        return SpeechFeatures(mouth[inner], wanted[inner], self.life[first:last], self.events[first:last], first)


def whole(heard: Callable[[int, int], SpeechFeatures], frames: int, stream: MotionStream) -> Iterator[Tensor]:
    """The motion of a speech of `frames` frames in pieces (n, 27), the first one short, so that it comes soon.

    `heard(first, last)` gives the features of the frames from `first` up to but not including `last`.
    """
    at, new = 0, FIRST
    while at < frames:
        count = min(new, frames - at)
        ahead = min(at + count + AHEAD, frames)
        yield stream.extend(heard(at - len(stream.past), ahead), count)
        at, new = at + count, NEW
