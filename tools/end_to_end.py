"""Photo and sound in, frames out: the engine against `benchmarks/reference_run.py` on the weights of a golden folder.

The photos and sounds are made here: square, portrait and landscape pictures, a face at the border, a sentence, a word
and more than Whisper's 30 s. The sizes of the networks are the folder's.
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.reference_run import Reference, ReferenceInputs
from sonic_core.engines.base import SPEECH_RATE, Latents
from sonic_core.engines.sonic.conditions import Networks
from sonic_core.engines.sonic.config import SonicConfig
from sonic_core.engines.sonic.engine import SonicEngine
from sonic_core.engines.sonic.options import Execution
from sonic_core.face.detect import Face
from sonic_core.face.framing import frame_portrait
from sonic_core.settings import Settings


@dataclass(frozen=True)
class Case:
    """A photo of `size` (width, height) with a face in `box`, and `seconds` of sound.

    No picture becomes so small that the deepest feature map is a single pixel: there the group norms of a narrow
    network divide rounding by rounding, and two right answers differ.
    """

    name: str
    size: tuple[int, int]
    box: tuple[int, int, int, int]
    seconds: float
    min_resolution: int
    precisions: tuple[torch.dtype, ...] = (torch.float32, torch.float16)

    def given(self) -> ReferenceInputs:
        """The inputs, the same each time."""
        random = np.random.default_rng(len(self.name))
        width, height = self.size
        y, x = np.mgrid[:height, :width]
        waves = [np.sin(x / 23 + phase) * np.cos(y / 31 - phase) for phase in (0.0, 1.0, 2.0)]
        picture = 128 + 80 * np.stack(waves, axis=-1) + random.normal(0, 20, (height, width, 3))
        samples = int(self.seconds * SPEECH_RATE)
        loudness = 0.2 * np.sin(np.arange(samples) * 2 * np.pi * 3 / SPEECH_RATE) ** 2
        speech = (loudness * random.standard_normal(samples)).astype(np.float32)
        return ReferenceInputs(picture.clip(0, 255).astype(np.uint8), self.box, self.min_resolution, speech)


CASES = (
    Case("square", (300, 300), (90, 80, 210, 220), 0.8, 128),
    Case("portrait", (331, 560), (101, 90, 222, 251), 1.0, 64),
    Case("landscape", (640, 417), (301, 60, 455, 250), 1.0, 64),
    Case("0.6 s", (512, 256), (60, 70, 190, 200), 0.6, 64),
    Case("33 s", (420, 200), (41, 50, 150, 161), 33.0, 64),
    Case("face at the border", (470, 300), (380, 0, 470, 131), 0.9, 64),
)


class ByHand:
    """Stands for the face detector: the box is given, and landmarks do not matter to the Sonic model."""

    def landmarks_in(self, image: np.ndarray, box: tuple[float, ...]) -> Face:
        return Face((1.0, 2.0, 30.0, 40.0), np.zeros((478, 3), np.float32), 1.0)


def check_end_to_end(
    folder: Path, net: Networks, config: SonicConfig, cases: Iterable[Case] = CASES, device: str = "cpu"
) -> Iterator[tuple[str, torch.dtype, float]]:
    """Name, precision and largest difference of the frames of every case, in units of the whole range of values.

    `net` is on `device`; the reference always computes on the CPU.
    """
    reference = Reference(folder)
    nets = {torch.float32: net, torch.float16: half(net, device)}
    for case in cases:
        given = case.given()
        noise = torch.randn(frames_of(given), *latent_shape(given, net), generator=torch.Generator().manual_seed(0))
        expected = reference.frames(reference.latents(reference.conditions(given), noise))
        for dtype in case.precisions:
            ours = engine_frames(nets[dtype], config, given, noise, device)
            if ours.shape != expected.shape:
                raise SystemExit(f"{case.name}: {tuple(ours.shape)} instead of {tuple(expected.shape)}")
            yield case.name, dtype, float((ours - expected).abs().max())


def engine_frames(
    net: Networks, config: SonicConfig, given: ReferenceInputs, noise: Tensor, device: str = "cpu"
) -> Tensor:
    """Frames (n, 3, h, w) at the model's own rate, by the product's road from the photo on."""
    settings = Settings(
        face_box=given.face_box,
        min_resolution=given.min_resolution,
        inference_steps=config.sampler.steps,
        fps=config.sampler.fps,
    )
    engine = SonicEngine(net, config, torch.device(device), Execution(decode_overlap=0))
    _, portrait = frame_portrait(given.photo, ByHand(), settings, engine.size_multiple)  # type: ignore[arg-type]
    conditions = engine.condition(portrait, given.speech, settings)
    values = engine.sample_from(noise, conditions, settings).to(net.vae.dtype)
    latents = Latents(engine.name, values, portrait, conditions.seconds)
    frames = np.concatenate(list(engine.decode(latents, settings).chunks()))
    return torch.from_numpy(frames[: len(noise)]).permute(0, 3, 1, 2)


def half(net: Networks, device: str = "cpu") -> Networks:
    """A copy in half precision, as `checkpoint.read_networks` places the networks for a GPU."""
    copied = copy.deepcopy(net)
    copied.unet.to(torch.float16)
    copied.image_encoder.to(torch.float16)
    copied.vae.place(torch.device(device), torch.float16)
    return copied


def frames_of(given: ReferenceInputs) -> int:
    """Frames the model makes: one for every two whole ones at 25 fps."""
    return len(given.speech) // 640 // 2


def latent_shape(given: ReferenceInputs, net: Networks) -> tuple[int, int, int]:
    height, width = given.photo.shape[:2]
    ratio = given.min_resolution / min(height, width)
    sides = (max(round(side * ratio / 64), 1) * 64 // net.vae.factor for side in (height, width))
    return (net.unet.config.out_channels, *sides)  # type: ignore[return-value]
