"""Speech to facial motion: lips from the ears, the rest of the face by latent diffusion.

The shared sampler calls `denoiser`, and `finished` joins its result with the lips to motion (frames, 27), see
`layout.py`; `motion_stream.py` runs both piece by piece. Lips follow the sound and do not depend on the seed. Head,
eyes and brows are denoised from full noise and differ with the seed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from sonic_core.engines.lite import layout
from sonic_core.engines.lite.ears import Ears
from sonic_core.engines.lite.emphasis import gestures
from sonic_core.engines.lite.motion_net import MotionConfig, MotionNet
from sonic_core.engines.lite.savgol import steadied
from sonic_core.errors import ModelError
from sonic_core.media.stored_sound import Speech
from sonic_core.sampling import v_scalings

logger = logging.getLogger(__name__)

SAMPLE_RATE = 16000
SIGMA_MIN, SIGMA_MAX = 0.03, 30.0
# Noise levels at which guidance is worth its cost; elsewhere the branch that hears nothing is skipped.
GUIDED = (0.3, 10.0)
MEASURED = 60 * layout.FPS  # frames whose loudness is measured at a time
QUIET_NATS = 5.0  # a frame this far below the loud parts is silent
QUIETEST_SPEECH = -6.0  # log RMS; a clip whose loud parts are below is a silent clip
# The denoised channels that are smoothed afterwards. Lids are not: a blink is fast.
STEADY = (layout.HEAD_ROTATION, layout.HEAD_TRANSLATION, layout.GAZE, layout.BROWS)
STYLE = (0.0, 0.4)  # head movement and blink rate, in deviations from the recorded people: 18 blinks a minute


@dataclass(frozen=True)
class SpeechFeatures:
    """What a clip sounds like, one row per video frame."""

    mouth: np.ndarray  # (n, 12) the mouth's coefficients
    wanted: np.ndarray  # (n, kinds) how surely each kind of articulation is wanted
    life: Tensor  # (n, width) context of head, eyes and brows
    events: np.ndarray  # (n, 2) stresses and ends of phrases, see `emphasis.py`
    first: int = 0  # number of the first frame in the clip

    def part(self, first: int, last: int | None) -> SpeechFeatures:
        span = slice(first, last)
        return SpeechFeatures(
            self.mouth[span], self.wanted[span], self.life[span], self.events[span], self.first + first
        )


def joined(parts: Sequence[SpeechFeatures]) -> SpeechFeatures:
    """One stretch of features from one or more that follow one another."""
    mouth, wanted, events = (np.concatenate([getattr(p, k) for p in parts]) for k in ("mouth", "wanted", "events"))
    return SpeechFeatures(mouth, wanted, torch.cat([p.life for p in parts]), events, parts[0].first)


class MotionModel:
    """The ears and the motion network of the lite engine."""

    def __init__(self, ears: Ears, net: MotionNet):
        self.ears = ears
        self.net = net.eval()

    @staticmethod
    def from_folder(folder: Path = layout.WEIGHTS) -> MotionModel:
        """Read the ears and motion.safetensors. Raises ModelError if a file is missing or damaged."""
        return MotionModel(Ears.from_folder(folder), read_net(folder / "motion.safetensors"))

    @torch.inference_mode()
    def life(self, loud: np.ndarray) -> Tensor:
        """Loudness (n,) -> (n, width), the context of head, eyes and brows."""
        return self.net.context(torch.from_numpy(loud).to(self.net.mean)[None, :, None])[0]

    def lip_rows(self, mouth: np.ndarray, wanted: np.ndarray, dynamic_scale: float) -> np.ndarray:
        """Mouths (n, 12) and probabilities (n, kinds) of the ears -> (n, 27) motion in which only the lips move."""
        rows = np.zeros((len(mouth), layout.CHANNELS), np.float32)
        lips = self.ears.articulation.apply(dynamic_scale * mouth, wanted)
        rows[:, layout.MOUTH], rows[:, layout.ARTICULATION] = lips[:, layout.MOUTH], lips[:, -3:]
        return rows

    def finished(
        self, heard: SpeechFeatures, latents: Tensor, seed: int, dynamic_scale: float, motion_scale: float
    ) -> Tensor:
        """Normalised, denoised life latents (n, 12) -> motion (n, 27) in the units of `layout`."""
        motion = torch.from_numpy(self.lip_rows(heard.mouth, heard.wanted, dynamic_scale))
        motion[:, layout.LIFE] = (latents * self.net.deviation + self.net.mean).float().cpu()
        for part in STEADY:
            motion[:, part] = torch.from_numpy(steadied(motion[:, part].numpy()))
        motion[:, layout.LIFE] += torch.from_numpy(gestures(heard.events, heard.first, seed))
        for part in STEADY:
            motion[:, part] *= motion_scale
        motion[:, layout.LIDS].clamp_(0, 1)
        return motion

    def denoiser(self, heard: SpeechFeatures):
        """A `Denoise` for the shared sampler: branch 0 hears nothing, the last one hears the speech.

        The frames of a window must follow one another: the network takes neighbouring rows for neighbouring moments.
        """
        net = self.net
        style = net.mean.new_tensor(STYLE)

        def denoise(noisy: Tensor, sigma: float, frames: Tensor, branches: tuple[int, ...]) -> Tensor:
            scalings = v_scalings(sigma)
            life = heard.life[frames]
            hears = [branch > 0 or len(branches) == 1 for branch in branches]
            lives = torch.cat([life if h else net.deaf.expand_as(life) for h in hears])
            count = len(branches) * len(noisy)
            output = net(
                (scalings.input * noisy).repeat(len(branches), 1, 1),
                noisy.new_full((count,), scalings.noise),
                lives,
                style.expand(count, -1),
            ).reshape(len(branches), *noisy.shape)
            return scalings.skip * noisy + scalings.output * output

        return denoise


def loudness(speech: Speech, frames: int) -> np.ndarray:
    """Loudness of each video frame (frames,): 1 in the loud parts of the clip, 0 in silence, linear in decibels."""
    hop = SAMPLE_RATE // layout.FPS
    power = np.zeros(frames, np.float32)
    for first in range(0, frames, MEASURED):
        last = min(first + MEASURED, frames)
        part = speech[first * hop : last * hop]
        part = np.pad(part, (0, (last - first) * hop - len(part)))
        power[first:last] = np.square(part, dtype=np.float32).reshape(-1, hop).mean(1)
    nats = 0.5 * np.log(power + 1e-10)
    return np.clip(1 + (nats - max(np.percentile(nats, 95), QUIETEST_SPEECH)) / QUIET_NATS, 0, 1).astype(np.float32)


def read_net(path: Path) -> MotionNet:
    """Read the motion network and its configuration from one file. Raises ModelError when it does not hold one."""
    if not path.is_file():
        raise ModelError(f"{path} is missing: install the package again, or run `python -m training.motion.train`")
    with safe_open(path, "pt") as file:
        fields: dict[str, Any] = json.loads((file.metadata() or {}).get("config", "{}"))
        weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    try:
        net = MotionNet(MotionConfig(**fields))
        net.load_state_dict({key: value.float() for key, value in weights.items()})
    except (KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"{path} does not hold a motion network: {error}") from error
    logger.info("motion network: %.1f M parameters", sum(p.numel() for p in net.parameters()) / 1e6)
    return net
