"""The engine of the published Sonic model: portrait and speech -> latents -> lazy Clip.

The networks come from `checkpoint.py`; this file strings the stages together and decides how they are cut to fit into
memory. It computes wherever the networks' weights are when it is called, so a host may move them between stages.
"""

import logging
from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sonic_core.clip import Clip, frame_count
from sonic_core.engines.base import SPEECH_RATE, Latents, MemoryPlan, Stage
from sonic_core.engines.sonic import memory
from sonic_core.engines.sonic.conditions import Conditions, Networks, make_conditions
from sonic_core.engines.sonic.config import SonicConfig
from sonic_core.engines.sonic.context import keys_values_bytes
from sonic_core.engines.sonic.latents_file import LatentsFolder, digest
from sonic_core.engines.sonic.noise import release_noise, start_noise
from sonic_core.engines.sonic.options import FAST, RELEASED, Approximations, Execution
from sonic_core.engines.sonic.replicas import Replicas
from sonic_core.engines.sonic.residence import Residence
from sonic_core.engines.sonic.sampling import Run, guidance, model_windows, sample_latents
from sonic_core.engines.sonic.vae import decode_chunks, tiled
from sonic_core.errors import NotEnoughMemoryError
from sonic_core.face.framing import Portrait
from sonic_core.media.stored_sound import Speech
from sonic_core.progress import OnStep, no_step
from sonic_core.settings import Settings
from sonic_core.speech.tokens import frame_count as model_frames
from sonic_core.video.interpolate import sampled

logger = logging.getLogger(__name__)


class SonicEngine:
    """Implements `engines.base.Engine`."""

    name = "sonic"
    size_multiple = 64

    def __init__(
        self,
        networks: Networks,
        config: SonicConfig,
        device: torch.device,
        execution: Execution | None = None,
        approximations: Approximations = FAST,
        latents_folder: Path | None = None,
        moves_networks: bool = False,
    ) -> None:
        """`approximations` are used when `settings.fast` is on. Without a folder no latents are kept on disk.

        `moves_networks`: when memory is short, the engine keeps only the networks of the current stage on the device.
        A host that moves networks itself leaves it off.
        """
        self.net = networks
        self.config = config
        self.device = device
        self.execution = execution or Execution()
        self.approximations = approximations
        self._folder = LatentsFolder(latents_folder) if latents_folder is not None else None
        self._replicas = Replicas(networks.unet, self.execution)
        self._residence = Residence(self._all_networks(), device, moves_networks)

    def networks(self, stage: Stage) -> list[nn.Module]:
        """See `Engine.networks`."""
        net = self.net
        if stage == "sample":
            return [net.unet]
        if stage == "decode":
            return [net.vae] if net.rife is None else [net.vae, net.rife]
        return [net.vae, net.image_encoder, net.speech, net.tokens, net.buckets]

    def condition(
        self, portrait: Portrait, speech: Speech, settings: Settings, on_step: OnStep = no_step
    ) -> Conditions:
        """See `Engine.condition`.

        Raises:
            InputError: the speech is too short.
            NotEnoughMemoryError: the run would not fit. A host that keeps the networks elsewhere until they are needed
                knows better what is free, and asks `plan_memory` itself.
        """
        height, width = portrait.image.shape[:2]
        seconds = len(speech) / SPEECH_RATE
        if self._residence.in_charge or self.net.unet.conv_in.weight.device.type == self.device.type:
            plan = self.plan_memory(settings, (width, height), seconds, memory.free_bytes(self.device))
            self._residence.settle(self.networks("condition"), plan.alone)
        return make_conditions(self.net, portrait, np.asarray(speech, np.float32), on_step)

    def sample(self, conditions: Conditions, settings: Settings, on_step: OnStep = no_step) -> Latents:
        """See `Engine.sample`. `on_step` counts windows; a run that was sampled before is taken from its file."""
        run = self._run_name(conditions, settings)
        values = self._folder.load(run) if self._folder is not None else None
        if values is None:
            noise = self._noise(conditions, settings)
            # The decoder rounds them to its own precision; kept in it they take half the space and lose nothing.
            values = self.sample_from(noise, conditions, settings, on_step).to(self.net.vae.dtype)
            if self._folder is not None:
                self._folder.save(run, values)
        name = torch.tensor(list(run.encode()), dtype=torch.uint8)
        return Latents(self.name, values, conditions.portrait, conditions.seconds, {"run": name})

    def sample_from(
        self, noise: Tensor, conditions: Conditions, settings: Settings, on_step: OnStep = no_step
    ) -> Tensor:
        """Denoise given unit noise (n, 4, h, w) to latents (n, 4, h, w), float32 on the CPU."""
        plan = self._plan(settings, noise, conditions.seconds)
        self._residence.settle(self.networks("sample"), plan.alone)
        run = Run(
            config=self.config,
            replicas=self._replicas,
            scaling_factor=self.net.vae.scaling_factor,
            approximations=self._approximations(settings),
            window_batch=self.execution.window_batch or plan.window_batch,
            branch_batch=self.execution.branch_batch or plan.branch_batch,
            keep_bytes=self.execution.keep_bytes,
        )
        return sample_latents(noise, conditions, settings, run, on_step)

    def decode(self, latents: Latents, settings: Settings) -> Clip:
        """See `Engine.decode`: the model's own rate, resampled to `settings.fps` by RIFE, or by flow without it."""
        vae, values = self.net.vae, latents.values
        plan = self._plan(settings, values, latents.seconds)

        def model_frames_made() -> Iterator[np.ndarray]:
            self._residence.settle(self.networks("decode"), plan.alone)
            decode = vae.decode if plan.tile is None else tiled(vae.decode, plan.tile, vae.factor)
            overlap = min(self.execution.decode_overlap, plan.decode_chunk - 1)
            for frames in decode_chunks(decode, values, plan.decode_chunk, overlap):
                yield to_frames(frames)

        height, width = (size * vae.factor for size in values.shape[-2:])
        own_rate, rate = (Fraction(fps).limit_denominator(1001) for fps in (self.config.sampler.fps, settings.fps))
        clip = sampled(
            Clip(width, height, len(values), own_rate, model_frames_made),
            lambda k: k * own_rate / rate,
            "auto",
            self.net.rife,
            frame_count=frame_count(latents.seconds, rate),
            fps=rate,
        )
        return clip.replaced(make=lambda: self._until_decoded(clip, latents))

    def _until_decoded(self, clip: Clip, latents: Latents) -> Iterator[np.ndarray]:
        """The clip's chunks; the latents' file, no longer needed, goes when they have all been made."""
        yield from clip.make()
        if self._folder is not None and "run" in latents.extra:
            self._folder.remove(bytes(latents.extra["run"].tolist()).decode())

    def plan_memory(self, settings: Settings, size: tuple[int, int], seconds: float, free_bytes: int) -> MemoryPlan:
        """See `Engine.plan_memory`. Weights that are on the device already are not counted against `free_bytes`."""
        width, height = size
        net, factor, sampler = self.net, self.net.vae.factor, self.config.sampler
        frames = max(1, model_frames(round(seconds * SPEECH_RATE)))
        windows = model_windows(sampler)
        latent_size = (height // factor, width // factor)
        weight = net.unet.conv_in.weight
        networks = self._all_networks()
        branches = guidance(RELEASED, settings, sampler).branches
        call_pixels = latent_size[0] * latent_size[1] * windows.length * branches
        return memory.plan(
            memory.Costs(
                unet=memory.network_bytes(net.unet),
                conditioners=memory.network_bytes(*self.networks("condition")),
                decoder=memory.network_bytes(*self.networks("decode")),
                everything=memory.network_bytes(*networks),
                encode=memory.encoding_bytes(net.vae.width, height * width),
                kept=min(self.execution.keep_bytes, keys_values_bytes(net.unet, frames)),
                call=memory.sampling_bytes(len(weight), weight.element_size(), call_pixels),
                latent_pixel=memory.decoding_bytes(net.vae.width, net.vae.itemsize, factor * factor),
            ),
            memory.Work(
                latent_size=latent_size,
                windows=windows.count(frames),
                branches=branches,
                chunk=sampler.decode_chunk_size,
                movable=self.device.type != "cpu",
            ),
            available=free_bytes + memory.resident_bytes(self.device, networks),
        )

    def _all_networks(self) -> list[nn.Module]:
        return [network for network in vars(self.net).values() if network is not None]

    def _noise(self, conditions: Conditions, settings: Settings) -> Tensor:
        """Unit noise (n, 4, h, w) of the seed."""
        frames, size = len(conditions.tokens), tuple(conditions.image_latent.shape)
        if settings.release_seed:
            return release_noise(frames, size, settings.seed, self.device)
        return start_noise(frames, size, settings.seed)

    def _plan(self, settings: Settings, latents: Tensor, seconds: float) -> MemoryPlan:
        """The plan for what is free now, or the smallest there is: refusing is the caller's, before the run."""
        height, width = (size * self.net.vae.factor for size in latents.shape[-2:])
        try:
            return self.plan_memory(settings, (width, height), seconds, memory.free_bytes(self.device))
        except NotEnoughMemoryError as error:
            logger.warning("trying nevertheless: %s", error)
            return memory.SMALLEST

    def _approximations(self, settings: Settings) -> Approximations:
        return self.approximations if settings.fast else RELEASED

    def _run_name(self, conditions: Conditions, settings: Settings) -> str:
        """A digest of all that decides the latents."""
        unet = self.net.unet
        ends = {"unet.conv_in": unet.conv_in.weight, "unet.conv_out": unet.conv_out.weight}
        knobs = (
            "inference_steps",
            "seed",
            "dynamic_scale",
            "motion_scale",
            "image_guidance",
            "audio_guidance",
            "release_seed",
        )
        facts = {name: getattr(settings, name) for name in knobs}
        facts["weights"] = sorted({str(parameter.dtype) for parameter in unet.parameters()})
        return digest(conditions.tensors() | ends, repr((facts, asdict(self._approximations(settings)))))


def to_frames(decoded: Tensor) -> np.ndarray:
    """(n, 3, h, w) in [-1, 1] -> (n, h, w, 3) float32 in [0, 1], without copies between."""
    count, channels, height, width = decoded.shape
    frames = torch.empty(count, height, width, channels, device=decoded.device)
    torch.add(decoded.permute(0, 2, 3, 1), 1.0, out=frames)
    return frames.mul_(0.5).clamp_(0, 1).cpu().numpy()
