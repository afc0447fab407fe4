"""The lite engine behind the Engine protocol: speech features, motion diffusion, and the photo warped by the motion.

It runs on the CPU and loads in seconds; its weights are in the package. Motion is made at 25 fps whatever the video's
rate: other rates read the motion curves between its rows, so no frame is ever blended with another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from sonic_core.clip import Clip, frame_count
from sonic_core.engines.base import SPEECH_RATE, Latents, MemoryPlan, Stage
from sonic_core.engines.lite.layout import FPS, MOUTH, WEIGHTS
from sonic_core.engines.lite.mood import posed
from sonic_core.engines.lite.motion import MotionModel, SpeechFeatures, joined
from sonic_core.engines.lite.motion_stream import BLOCK, KNOWN, Listener, MotionStream, whole
from sonic_core.engines.lite.renderer import CHUNK, Renderer
from sonic_core.engines.lite.talk import LiteTalk
from sonic_core.errors import InputError, NotEnoughMemoryError
from sonic_core.face.framing import Portrait
from sonic_core.media.stored_sound import MEMORY, Speech
from sonic_core.progress import OnStep, no_step
from sonic_core.settings import Settings
from sonic_core.threads import one_thread

AUDIO_GUIDANCE = 1.5
MODEL_BYTES = 560 * 2**20  # torch, transformers, the weights and the codecs: 662 MB in all at 512 x 512, as measured
# Bytes a pixel of the frame: the photo and its copies, remap grids, float32 chunks on their way to the encoder.
BYTES_A_PIXEL = 12 * CHUNK * 3 + 100
SOUND_BYTES = 3 * MEMORY  # sound, its 16 kHz copy and a copy of either; what is longer lies on disk
BYTES_A_SECOND = FPS * 1024 * 4  # what the network hears


@dataclass(frozen=True)
class LiteConditions:
    """What sampling needs of a portrait and a speech."""

    portrait: Portrait
    heard: SpeechFeatures
    seconds: float


class LiteEngine:
    """See `engines.base.Engine`."""

    name = "lite"
    size_multiple = 2

    def __init__(self, motion: MotionModel):
        self.motion = motion
        self._rendered: tuple[Portrait, Renderer] | None = None

    @staticmethod
    @one_thread()
    def load(folder: Path = WEIGHTS) -> LiteEngine:
        """Read the bundled weights. Raises ModelError when a file is missing or damaged."""
        return LiteEngine(MotionModel.from_folder(folder))

    def condition(
        self, portrait: Portrait, speech: Speech, settings: Settings, on_step: OnStep = no_step
    ) -> LiteConditions:
        """Listen to the whole speech, block by block as `stream` does."""
        seconds = len(speech) / SPEECH_RATE
        self._renderer(portrait, settings)  # says now what is wrong with the photo, not after sampling
        frames = frame_count(seconds, FPS)
        listener, blocks = Listener(self.motion, speech, frames), []
        for first in range(0, frames, BLOCK):
            last = min(first + BLOCK, frames)
            blocks.append(listener.heard(first, last))
            on_step(last, frames, None)
        return LiteConditions(portrait, joined(blocks), seconds)

    def sample(self, conditions: LiteConditions, settings: Settings, on_step: OnStep = no_step) -> Latents:
        """Motion latents (n, 27) at 25 fps, in the pieces that `stream` draws: both give the same frames.

        After each piece a preview shows its widest open mouth.
        """
        heard, rows = conditions.heard, []
        frames = len(heard.mouth)
        motion = MotionStream(self.motion, settings, guidance_of(settings), KNOWN)
        for piece in whole(heard.part, frames, motion):
            rows.append(piece)
            preview = None
            if on_step is not no_step:
                widest = piece[np.abs(piece[:, MOUTH].numpy()).sum(1).argmax()].numpy()
                frame = self._renderer(conditions.portrait, settings).frame(posed(widest, settings))
                preview = frame[..., :3].astype(np.float32) / 255
            on_step(sum(map(len, rows)), frames, preview)
        return Latents(self.name, torch.cat(rows), conditions.portrait, conditions.seconds)

    def decode(self, latents: Latents, settings: Settings) -> Clip:
        """Render the photo frame by frame as the clip is read."""
        fps = Fraction(settings.fps).limit_denominator(1001)
        rows = at_rate(latents.values.numpy(), frame_count(latents.seconds, fps), fps)
        height, width = latents.portrait.image.shape[:2]
        renderer = self._renderer(latents.portrait, settings)

        def make() -> Iterator[np.ndarray]:
            return renderer.chunks(posed(rows, settings))

        return Clip(width, height, len(rows), fps, make, channels=latents.portrait.channels)

    def stream(self, portrait: Portrait, speech: Speech, settings: Settings) -> Clip:
        """Listen, sample and render piece by piece as the clip is read."""
        fps = Fraction(settings.fps).limit_denominator(1001)
        seconds = len(speech) / SPEECH_RATE
        count, frames = frame_count(seconds, fps), frame_count(seconds, FPS)
        height, width = portrait.image.shape[:2]
        renderer = self._renderer(portrait, settings)

        def make() -> Iterator[np.ndarray]:
            motion = MotionStream(self.motion, settings, guidance_of(settings), KNOWN)
            pieces = whole(Listener(self.motion, speech, frames).heard, frames, motion)
            for rows in pieces_at_rate((piece.numpy() for piece in pieces), count, fps):
                yield from renderer.chunks(posed(rows, settings))

        return Clip(width, height, count, fps, make, channels=portrait.channels)

    def lips(self, speech: Speech, settings: Settings) -> np.ndarray:
        """(n, 27) motion at 25 fps in which only the mouth moves, without a photo and without diffusion."""
        mouth, wanted = self.motion.ears.predict(speech, frame_count(len(speech) / SPEECH_RATE, FPS))
        return self.motion.lip_rows(mouth, wanted, settings.dynamic_scale)

    def talk(self, portrait: Portrait, settings: Settings) -> LiteTalk:
        """The portrait as a face that talks live; it has a renderer of its own."""
        return LiteTalk(self.motion, checked(Renderer(portrait), settings), guidance_of(settings), settings)

    def _renderer(self, portrait: Portrait, settings: Settings) -> Renderer:
        """The renderer of the portrait in hand: previews and frames share one."""
        if self._rendered is None or self._rendered[0] is not portrait:
            self._rendered = portrait, Renderer(portrait)
        return checked(self._rendered[1], settings)

    def networks(self, stage: Stage) -> list[torch.nn.Module]:
        """None: the lite engine stays where it was loaded."""
        return []

    def plan_memory(self, settings: Settings, size: tuple[int, int], seconds: float, free_bytes: int) -> MemoryPlan:
        """Frames are rendered a few at a time and long sound lies on disk, so little more than motion grows."""
        peak = int(MODEL_BYTES + SOUND_BYTES + size[0] * size[1] * BYTES_A_PIXEL + seconds * BYTES_A_SECOND)
        if peak > free_bytes:
            raise NotEnoughMemoryError(
                f"{seconds:.0f} s at {size[0]} x {size[1]} need about {peak / 2**30:.1f} GB and "
                f"{free_bytes / 2**30:.1f} GB are free; lower min_resolution or make a shorter clip"
            )
        return MemoryPlan(peak, decode_chunk=CHUNK, window_batch=1)


def checked(renderer: Renderer, settings: Settings) -> Renderer:
    """The renderer. Raises InputError for a face whose mouth cannot be seen, unless the settings keep it covered."""
    if renderer.covers.mouth and settings.covered_mouth == "refuse":
        raise InputError(
            "the mouth of this face is hidden, by a mask, a hand, a cup or a microphone; use a photo that shows it, "
            "another face by face_index, or covered_mouth keep, which moves head and eyes only"
        )
    return renderer


def guidance_of(settings: Settings) -> float:
    """How hard the motion follows the audio."""
    return AUDIO_GUIDANCE if settings.audio_guidance is None else settings.audio_guidance


def at_rate(motion: np.ndarray, count: int, fps: Fraction) -> np.ndarray:
    """Motion rows (n, d) at 25 fps read at `fps`, linear between rows: (count, d) float32."""
    return motion[:count] if fps == FPS else read_at(motion, np.arange(count) * float(FPS / fps))


def read_at(motion: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows (n, d) read at `places` (k,), which count rows from 0: (k, d), the last row standing beyond the end."""
    places = np.minimum(places, len(motion) - 1)
    before = np.floor(places).astype(int)
    after = np.minimum(before + 1, len(motion) - 1)
    share = (places - before)[:, None].astype(np.float32)
    return motion[before] * (1 - share) + motion[after] * share


def pieces_at_rate(pieces: Iterable[np.ndarray], count: int, fps: Fraction) -> Iterator[np.ndarray]:
    """What `at_rate` gives for the pieces of a motion joined together, as soon as its rows are there."""
    done, first, rows = 0, 0, np.zeros((0, 0), np.float32)  # frames given; the rows from row `first` on
    for piece in pieces:
        rows = np.concatenate([rows, piece]) if len(rows) else piece
        ready = min(count, int((first + len(rows) - 1) / float(FPS / fps)) + 1)
        if ready > done:
            yield read_at(rows, np.arange(done, ready) * float(FPS / fps) - first)
            done = ready
            kept = min(int(done * float(FPS / fps)), first + len(rows) - 1)
            first, rows = kept, rows[kept - first :]
    if count > done:  # past the last row, which stands
        yield read_at(rows, np.full(count - done, len(rows) - 1.0))
