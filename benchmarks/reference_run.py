"""The whole model, from photo and sound to frames, written in the simplest way on the libraries' own networks.

It follows the published facts about the model and shares no code with `sonic_core`: Pillow for the images, transformers
for CLIP and Whisper, diffusers for the VAE, the UNet and the scheduler. It is slow, in float32 on the CPU;
`tools/check_golden.py` compares the engine with it end to end.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from benchmarks.reference_unet import ReferenceContext, call, reference_unet

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class ReferenceInputs:
    """The inputs of one run."""

    photo: np.ndarray  # uint8 (h, w, 3)
    face_box: Box
    min_resolution: int
    speech: np.ndarray  # (samples,) 16 kHz


@dataclass(frozen=True)
class ReferenceConditions:
    """What is computed once for a clip of n frames."""

    image_latent: Tensor  # (1, 4, h, w) unscaled
    embedding: Tensor  # (1, d)
    mask: Tensor  # (H, W)
    tokens: Tensor  # (n, t, d)
    silence: Tensor  # (n, t, d)
    buckets: Tensor  # (n, 2)


class Reference:
    """The networks of a folder in the golden format."""

    def __init__(self, folder: Path) -> None:
        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        state = {name: load_file(folder / f"{name}.safetensors") for name in (*NETWORKS, "audio2token", "audio2bucket")}
        self.token_weights, self.bucket_weights = state["audio2token"], state["audio2bucket"]
        self.unet = reference_unet(self.config["unet"])
        self.vae = AutoencoderKLTemporalDecoder(**self.config["vae"]).eval().requires_grad_(False)
        self.clip = CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(self.config["clip"])).eval()
        self.whisper = WhisperEncoder(WhisperConfig.from_dict(self.config["whisper"])).eval()
        for name in NETWORKS:
            load(getattr(self, name), state[name])

    @torch.inference_mode()
    def conditions(self, given: ReferenceInputs) -> ReferenceConditions:
        """Compute what is computed once for a clip."""
        size = output_size(given.photo.shape[1::-1], given.min_resolution)
        picture = Image.fromarray(given.photo).resize(size, Image.Resampling.LANCZOS)
        embedding = self.clip(self.clip_pixels(picture)).image_embeds
        z = self.vae.encode(to_tensor(picture) * 2 - 1).latent_dist.mode()
        tokens, silence, buckets = self.speech_conditions(given.speech, embedding)
        return ReferenceConditions(z, embedding, audio_mask(given, size), tokens, silence, buckets)

    @torch.inference_mode()
    def latents(self, given: ReferenceConditions, noise: Tensor) -> Tensor:
        """Latents (n, 4, h, w) from unit noise (n, 4, h, w)."""
        sampler, count = self.config["sampler"], len(given.tokens)
        scheduler = EulerDiscreteScheduler.from_config(self.config["scheduler"])
        scheduler.set_timesteps(sampler["steps"])
        latents = self.config["vae"]["scaling_factor"] * given.image_latent + scheduler.sigmas[0] * noise
        for step, timestep in enumerate(scheduler.timesteps):
            scaled = scheduler.scale_model_input(latents, timestep)
            total, times = torch.zeros_like(latents), torch.zeros(count)
            for window in self.windows(count, step):
                u, i, c = (
                    self.branch(scaled[window], given, audio[window], timestep, self.scalars(given, window), image)
                    for audio, image in ((given.silence, False), (given.silence, True), (given.tokens, True))
                )
                guided = u + sampler["image_guidance"] * (i - u) + sampler["audio_guidance"] * (c - i)
                total.index_add_(0, window, guided)
                times.index_add_(0, window, torch.ones(len(window)))
            latents = scheduler.step(total / times[:, None, None, None], timestep, latents).prev_sample
        return latents

    @torch.inference_mode()
    def frames(self, latents: Tensor) -> Tensor:
        """Frames (n, 3, H, W) in [0, 1] from latents (n, 4, h, w)."""
        chunks = latents.split(self.config["sampler"]["decode_chunk_size"])
        factor = self.config["vae"]["scaling_factor"]
        decoded = [self.vae.decode(chunk / factor, num_frames=len(chunk)).sample for chunk in chunks]
        return (torch.cat(decoded) * 0.5 + 0.5).clamp(0, 1)

    def branch(
        self,
        scaled: Tensor,
        given: ReferenceConditions,
        audio: Tensor,
        timestep: Tensor,
        scalars: Tensor,
        with_image: bool,
    ) -> Tensor:
        """The prediction v (f, 4, h, w) of one branch of guidance for one window (f, 4, h, w)."""
        image, token = given.image_latent.expand_as(scaled), given.embedding.expand(1, len(scaled), 1, -1)
        if not with_image:
            image, token = torch.zeros_like(image), torch.zeros_like(token)
        context = ReferenceContext(token, audio[None], given.mask, (scaled.shape[-2], scaled.shape[-1]))
        return call(self.unet, torch.cat([scaled, image], dim=1)[None], timestep, scalars, context)[0]

    def windows(self, count: int, step: int) -> list[Tensor]:
        """Frame indices of every window of a step."""
        sampler = self.config["sampler"]
        length, stride = sampler["frames_per_window"], sampler["frames_per_window"] - sampler["overlap"]
        first = -sampler["shift_offset"] * step
        return [
            torch.tensor([(first + stride * k + i) % count for i in range(length)])
            for k in range(math.ceil(count / stride))
        ]

    def scalars(self, given: ReferenceConditions, window: Tensor) -> Tensor:
        """fps and the mean buckets of a window: (1, 3)."""
        sampler = self.config["sampler"]
        mean = given.buckets[window].mean(0) * sampler["motion_bucket_scale"]
        return torch.tensor([[sampler["fps"], *mean.tolist()]])

    def clip_pixels(self, picture: Image.Image) -> Tensor:
        """The photo as CLIP's input."""
        side = self.config["clip"]["image_size"]
        mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
        std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
        return (to_tensor(picture.resize((side, side), Image.Resampling.LANCZOS)) - mean) / std

    def speech_conditions(self, speech: np.ndarray, embedding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens of the speech (n, t, d) and of silence (n, t, d), and buckets (n, 2)."""
        length = len(speech) // 640
        count = length // 2
        extractor = WhisperFeatureExtractor(feature_size=self.config["whisper"]["num_mel_bins"])
        pieces = []
        for start in range(0, len(speech), 480_000):
            mel = extractor(speech[start : start + 480_000], sampling_rate=16000, return_tensors="pt").input_features
            states = self.whisper(mel, output_hidden_states=True).hidden_states
            pieces.append(torch.stack(states, dim=2)[0])
        features = torch.cat(pieces)[: 2 * length]  # (2 * length, layers, width)
        for_tokens = F.pad(features, (0, 0, 0, 0, 4, 6))
        for_buckets = F.pad(features[:, -1], (0, 0, 24, 26))
        heard = torch.stack([for_tokens[4 * i : 4 * i + 10].flatten() for i in range(count)])
        around = torch.stack([for_buckets[4 * i : 4 * i + 50].flatten() for i in range(count)])
        around = torch.cat([around, embedding.expand(count, -1)], dim=1)
        return self.to_tokens(heard), self.to_tokens(torch.zeros_like(heard)), self.to_buckets(around)

    def to_tokens(self, x: Tensor) -> Tensor:
        w = self.token_weights
        x = F.relu(F.linear(x, w["proj1.weight"], w["proj1.bias"]))
        x = F.relu(F.linear(x, w["proj2.weight"], w["proj2.bias"]))
        x = F.linear(x, w["proj3.weight"], w["proj3.bias"])
        width = len(w["norm.weight"])
        return F.layer_norm(x.view(len(x), -1, width), (width,), w["norm.weight"], w["norm.bias"])

    def to_buckets(self, x: Tensor) -> Tensor:
        w = self.bucket_weights
        x = F.silu(F.linear(x, w["proj1.weight"], w["proj1.bias"]))
        x = F.silu(F.linear(x, w["proj2.weight"], w["proj2.bias"]))
        return F.linear(x, w["proj3.weight"], w["proj3.bias"]) * 16 + 16


NETWORKS = ("unet", "vae", "clip", "whisper")


def load(network: torch.nn.Module, state: dict[str, Tensor]) -> None:
    """Load all tensors, whatever prefix the Whisper model put before their names."""
    own = network.state_dict()
    for prefix in ("", "encoder.", "model.encoder."):
        stripped = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        stripped = {k: v for k, v in stripped.items() if not k.endswith("position_ids")}
        if own.keys() <= stripped.keys():
            network.load_state_dict({k: stripped[k] for k in own})
            return
    raise SystemExit(f"the weights do not fit {type(network).__name__}")


def output_size(size: tuple[int, int], min_resolution: int) -> tuple[int, int]:
    """The size with its short side at `min_resolution` and both sides multiples of 64."""
    ratio = min_resolution / min(size)
    width, height = (max(round(side * ratio / 64), 1) * 64 for side in size)
    return width, height


def audio_mask(given: ReferenceInputs, size: tuple[int, int]) -> Tensor:
    """The grown box as 0 or 255 in the photo, resized with it: (h, w) in [0, 1]."""
    height, width = given.photo.shape[:2]
    x1, y1, x2, y2 = given.face_box
    middle_x, middle_y = (x1 + x2) // 2, (y1 + y2) // 2
    half_w, half_h = int((x2 - x1) * 1.1 / 2), int((y2 - y1) * 1.1 / 2)
    drawn = np.zeros((height, width), np.uint8)
    drawn[max(middle_y - half_h, 0) : middle_y + half_h, max(middle_x - half_w, 0) : middle_x + half_w] = 255
    return to_tensor(Image.fromarray(drawn).resize(size, Image.Resampling.LANCZOS))[0, 0]


def to_tensor(picture: Image.Image) -> Tensor:
    """Pillow picture -> (1, c, h, w) in [0, 1]."""
    values = torch.from_numpy(np.array(picture, dtype=np.float32)) / 255
    return (values[None] if values.ndim == 2 else values.permute(2, 0, 1))[None]
