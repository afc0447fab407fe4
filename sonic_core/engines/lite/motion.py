"""Speech to facial motion: latent diffusion over whole clips of any length.

`listen` turns a waveform into what the motion network hears, once a clip; `sample` denoises a motion latent
(frames, 24), see `layout.py`, with the shared sampler. Lips hold tight to the sound because their noise starts
small (a low sampling temperature); head, eyes and brows start from full noise and differ with the seed. Knows
nothing of pictures or rendering.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from sonic_core.engines.lite import layout
from sonic_core.engines.lite.motion_net import MotionConfig, MotionNet, StreamConfig
from sonic_core.engines.lite.savgol import steadied
from sonic_core.errors import ModelError
from sonic_core.sampling import SOLVERS, Guidance, Windows, karras_sigmas, sample, v_scalings
from sonic_core.sampling.sampler import OnStep
from sonic_core.speech.hubert import SAMPLE_RATE, SpeechEncoder

logger = logging.getLogger(__name__)

SIGMA_MIN, SIGMA_MAX = 0.03, 30.0
GUIDED = (0.3, 10.0)  # noise levels at which guidance pays; elsewhere the branch that hears nothing is not computed
WINDOW, OVERLAP, SHIFT = 128, 32, 7
WINDOWS_AT_ONCE = 16  # bounds memory on long clips
MOUTH_TEMPERATURE = 0.15
SPEECH_CHUNK_SECONDS = 8.0  # about as long as what the bundled encoder was trained on
QUIET_NATS = 5.0  # this far below the loud parts counts as silence
QUIETEST_SPEECH = -6.0  # log RMS; a clip whose loud parts are below is a silent clip
STEADY = (layout.HEAD_ROTATION, layout.HEAD_TRANSLATION, layout.GAZE, layout.BROWS)  # lips and lids are fast
STYLE = (0.0, 0.4)  # head movement and blink rate, in deviations from the recorded people: 18 blinks a minute


@dataclass(frozen=True)
class Heard:
    """What a clip sounds like to the motion network, one row per video frame."""

    mouth: Tensor  # (n, mouth width)
    life: Tensor  # (n, life width)
    face: Tensor  # (face width,)


class MotionModel:
    """The speech encoder and the motion network of the lite engine."""

    def __init__(self, encoder: SpeechEncoder, net: MotionNet):
        self.encoder = encoder
        self.net = net.eval()

    @staticmethod
    def from_folder(
        folder: Path = layout.WEIGHTS, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> MotionModel:
        """Read hubert/ and motion.safetensors. Raises ModelError if a file is missing or damaged."""
        encoder = SpeechEncoder.from_folder(folder / "hubert", device, dtype, SPEECH_CHUNK_SECONDS)
        return MotionModel(encoder, read_net(folder / "motion.safetensors").to(device=device, dtype=dtype))

    @torch.inference_mode()
    def listen(self, speech: np.ndarray, frames: int, face: Tensor | None = None) -> Heard:
        """What `frames` video frames hear of mono 16 kHz float32 speech (samples,); `face` is (64,) or None."""
        device = self.net.mean.device
        features = self.encoder.centred_features(speech, 2 * frames).to(self.net.mean)
        mouth = self.net.mouth.context(features.reshape(1, frames, -1))
        heard = torch.from_numpy(loudness(speech, frames)).to(self.net.mean)
        life = self.net.life.context(heard[None, :, None])
        if face is None:
            face = torch.zeros(self.net.config.face_width)
        return Heard(mouth[0], life[0], face.to(device=device, dtype=self.net.mean.dtype))

    @torch.inference_mode()
    def sample(
        self,
        heard: Heard,
        *,
        steps: int = 25,
        seed: int = 0,
        dynamic_scale: float = 1.0,
        motion_scale: float = 1.0,
        guidance: float = 1.5,
        solver: str = "dpmpp_2m",
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Motion latents (n, 24) at 25 fps, in the units of `layout`, on the CPU.

        `dynamic_scale` scales the mouth, `motion_scale` head, brows and gaze; `guidance` is how much more the speech
        counts than without classifier-free guidance (1 is none). Raising from `on_step` cancels.
        """
        frames = len(heard.mouth)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(frames, layout.CHANNELS, generator=generator)
        noise[:, layout.MOUTH] *= MOUTH_TEMPERATURE
        latents = (noise * SIGMA_MAX).to(self.net.mean)
        windows = Windows(frames) if frames <= WINDOW else Windows(WINDOW, OVERLAP, SHIFT)
        latents = sample(
            self._denoiser(heard),
            latents,
            karras_sigmas(steps, SIGMA_MIN, SIGMA_MAX),
            windows=windows,
            guidance=Guidance((guidance,), interval=GUIDED) if guidance != 1 else Guidance(),
            solver=SOLVERS[solver],
            on_step=on_step,
        )
        latents = (latents * self.net.deviation + self.net.mean).float().cpu()
        latents[:, layout.MOUTH] *= dynamic_scale
        for part in STEADY:
            latents[:, part] = motion_scale * torch.from_numpy(steadied(latents[:, part].numpy()))
        latents[:, layout.LIDS].clamp_(0, 1)
        return latents

    def _denoiser(self, heard: Heard):
        """A `Denoise` for the shared sampler: branch 0 hears nothing, the last one hears the speech."""
        net = self.net
        style = net.mean.new_tensor(STYLE)

        def denoise(noisy: Tensor, sigma: float, frames: Tensor, branches: tuple[int, ...]) -> Tensor:
            scalings = v_scalings(sigma)
            noise = noisy.new_full((len(branches),), scalings.noise)
            out = noisy.new_empty(len(branches), *noisy.shape)
            for rows, span in pieces(frames):
                x = noisy[rows, span]
                at = frames[rows, span]
                mouth, life = heard.mouth[at], heard.life[at]
                hears = [branch > 0 or len(branches) == 1 for branch in branches]
                mouths = torch.cat([mouth if h else net.mouth.deaf.expand_as(mouth) for h in hears])
                lives = torch.cat([life if h else net.life.deaf.expand_as(life) for h in hears])
                count = len(branches) * len(x)
                output = net(
                    (scalings.input * x).repeat(len(branches), 1, 1),
                    noise[:1].expand(count),
                    mouths,
                    lives,
                    heard.face.expand(count, -1),
                    style.expand(count, -1),
                ).reshape(len(branches), *x.shape)
                out[:, rows, span] = scalings.skip * x + scalings.output * output
            return out

        return denoise


def pieces(frames: Tensor) -> list[tuple[slice, slice]]:
    """(rows, columns) of windows to denoise together: whole windows in batches, one that wraps round in its two parts.

    The last window of a circle runs on into the first frames of the clip; the end and the beginning have nothing to
    do with one another, so the network must not see them side by side.
    """
    windows, length = frames.shape
    breaks = (frames[:, 1:] - frames[:, :-1] != 1).nonzero().tolist()
    cut = {row: column + 1 for row, column in breaks}
    out, start = [], 0
    for row in range(windows + 1):
        if row == windows or row in cut or row - start == WINDOWS_AT_ONCE:
            if row > start:
                out.append((slice(start, row), slice(0, length)))
            start = row
        if row in cut:
            out += [(slice(row, row + 1), slice(0, cut[row])), (slice(row, row + 1), slice(cut[row], length))]
            start = row + 1
    return out


def loudness(speech: np.ndarray, frames: int) -> np.ndarray:
    """(frames,) loudness of each video frame: 1 in the loud parts of the clip, 0 in silence, linear in decibels."""
    hop = SAMPLE_RATE // layout.FPS
    padded = np.pad(speech[: frames * hop], (0, max(0, frames * hop - len(speech))))
    power = np.square(padded, dtype=np.float32).reshape(frames, hop).mean(1)
    nats = 0.5 * np.log(power + 1e-10)
    return np.clip(1 + (nats - max(np.percentile(nats, 95), QUIETEST_SPEECH)) / QUIET_NATS, 0, 1).astype(np.float32)


def read_net(path: Path) -> MotionNet:
    """The motion network with its configuration, from one safetensors file."""
    if not path.is_file():
        raise ModelError(f"{path} is missing: install the package again, or run `python -m training.motion.train`")
    with safe_open(path, "pt") as file:
        fields: dict[str, Any] = json.loads((file.metadata() or {}).get("config", "{}"))
        weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    try:
        mouth, life = (StreamConfig(**fields.pop(name)) for name in ("mouth", "life"))
        net = MotionNet(MotionConfig(**fields, mouth=mouth, life=life))
        net.load_state_dict(weights)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"{path} does not hold a motion network: {error}") from error
    logger.info("motion network: %.1f M parameters", sum(p.numel() for p in net.parameters()) / 1e6)
    return net
