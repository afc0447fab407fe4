"""Waveform to HuBERT features, for any `transformers.HubertModel` stored in a folder.

One loader serves models of every size: the layout is that of facebook/hubert-base-ls960 and `config.json` gives the
sizes. The model's strides set the rate of the features, 50 a second, and the numbers are those of `HubertModel` itself.
A long waveform is cut into overlapping chunks, so memory does not grow with its length. A waveform that fits into one
chunk gives exact features; in a longer one every frame sees at least `CONTEXT_SECONDS` to either side.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from sonic_core.errors import InputError, ModelError
from sonic_core.optional_imports import broken_ones_replaced

with broken_ones_replaced():
    from transformers import HubertConfig, HubertModel

logger = logging.getLogger(__name__)

SAMPLE_RATE = 16000
CHUNK_SECONDS = 30.0
CONTEXT_SECONDS = 2.0
VARIANCE_FLOOR = 1e-7  # as in transformers' Wav2Vec2FeatureExtractor
# The positional convolution's weight norm has had two spellings; a file may use either, and so may transformers.
WEIGHT_NORM_NAMES = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}


class SpeechEncoder:
    """A HubertModel with its waveform normalisation and its chunking."""

    def __init__(self, model: HubertModel, normalize: bool, chunk_seconds: float = CHUNK_SECONDS):
        self.model = model.eval()
        self.normalize = normalize
        self.chunk_seconds = chunk_seconds
        self.width: int = model.config.hidden_size
        self.layers: int = model.config.num_hidden_layers + 1
        self.hop, self.receptive_field = strides(model.config)

    @staticmethod
    def from_folder(
        folder: str | Path,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        chunk_seconds: float = CHUNK_SECONDS,
    ) -> SpeechEncoder:
        """Read config.json, model.safetensors or pytorch_model.bin, and preprocessor_config.json if there is one.

        Raises ModelError if the folder lacks a file or the weights do not fit the configuration.
        """
        folder = Path(folder)
        config = HubertConfig.from_dict(_read_json(folder / "config.json"))
        preprocessor = folder / "preprocessor_config.json"
        normalize = bool(_read_json(preprocessor).get("do_normalize", True)) if preprocessor.is_file() else True
        model = HubertModel(config)
        _load_weights(model, _read_weights(folder), folder)
        return SpeechEncoder(model.to(device=device, dtype=dtype), normalize, chunk_seconds)

    def frame_count(self, samples: int) -> int:
        """How many feature frames a waveform of so many samples gives."""
        return max(0, (samples - self.receptive_field) // self.hop + 1)

    @torch.inference_mode()
    def features(self, waveform: np.ndarray, all_layers: bool = False) -> Tensor:
        """Features of mono speech.

        `waveform` is float32 (samples,) at 16 kHz. Returns float32 on the CPU: the last hidden state (frames, width),
        or with `all_layers` every hidden state, the embedding first: (frames, layers, width). Raises InputError for
        another shape.
        """
        if waveform.ndim != 1:
            raise InputError(f"speech features need one channel of sound, not an array of shape {waveform.shape}")
        scale, offset = _normalization(waveform) if self.normalize else (1.0, 0.0)
        parts = []
        for first, last, start, stop in self._chunks(len(waveform)):
            piece = torch.from_numpy((waveform[start:stop] - np.float32(offset)) * np.float32(scale))
            piece = piece.to(device=self.model.device, dtype=self.model.dtype)
            output = self.model(piece[None], output_hidden_states=all_layers)
            states = torch.stack(output.hidden_states, 2) if all_layers else output.last_hidden_state
            skip = first - start // self.hop
            parts.append(states[0, skip : skip + last - first].float().cpu())
        empty = (0, self.layers, self.width) if all_layers else (0, self.width)
        return torch.cat(parts) if parts else torch.zeros(empty)

    def centred_features(self, waveform: np.ndarray, frames: int, all_layers: bool = False) -> Tensor:
        """`features` (frames, ...) of which row i looks at the middle of hop i; silence around the sound."""
        margin = (self.receptive_field - self.hop) // 2
        after = max(0, (frames - 1) * self.hop + self.receptive_field - margin - len(waveform))
        return self.features(np.pad(waveform, (margin, after)), all_layers)[:frames]

    def _chunks(self, samples: int) -> Iterator[tuple[int, int, int, int]]:
        """(first frame, end frame, first sample, end sample) of each piece; frames follow one another."""
        frames = self.frame_count(samples)
        length = max(1, round(self.chunk_seconds * SAMPLE_RATE / self.hop))
        context = round(CONTEXT_SECONDS * SAMPLE_RATE / self.hop)
        for first in range(0, frames, length):
            last = min(first + length, frames)
            start = max(0, first - context) * self.hop
            stop = (min(last + context, frames) - 1) * self.hop + self.receptive_field
            yield first, last, start, stop


def strides(config: HubertConfig) -> tuple[int, int]:
    """Samples from one feature frame to the next, and samples one frame's convolutions see."""
    hop, field = 1, 1
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        field += (kernel - 1) * hop
        hop *= stride
    return hop, field


def _normalization(waveform: np.ndarray) -> tuple[float, float]:
    """The scale and offset that give the whole clip zero mean and unit variance."""
    if len(waveform) == 0:
        return 1.0, 0.0
    mean = float(waveform.mean(dtype=np.float64))
    power = sum(float(np.square(part, dtype=np.float64).sum()) for part in np.array_split(waveform, 64))
    variance = max(0.0, power / len(waveform) - mean * mean)
    return float(1 / np.sqrt(variance + VARIANCE_FLOOR)), mean


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path} is missing: a HuBERT folder holds config.json and model.safetensors") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path} is not JSON ({error}): get the file again") from error


def _read_weights(folder: Path) -> dict[str, Tensor]:
    safe, pickled = folder / "model.safetensors", folder / "pytorch_model.bin"
    if safe.is_file():
        return load_file(safe)
    if pickled.is_file():
        return torch.load(pickled, map_location="cpu", weights_only=True)
    raise ModelError(f"{folder} holds neither model.safetensors nor pytorch_model.bin: put HuBERT's weights there")


def _own_name(key: str, expected: Collection[str]) -> str:
    """The model's name of a tensor: a file may have either of the two names of weight norm."""
    for old, new in WEIGHT_NORM_NAMES.items():
        for theirs, ours in ((old, new), (new, old)):
            if key not in expected and key.endswith("." + theirs):
                key = key.removesuffix(theirs) + ours
    return key


def _load_weights(model: HubertModel, weights: dict[str, Tensor], folder: Path) -> None:
    expected = model.state_dict()
    named = {_own_name(key.removeprefix("hubert."), expected): value for key, value in weights.items()}
    # The mask embedding serves pre-training only; a fine-tuned file also brings heads that HubertModel lacks.
    missing = [key for key in expected if key not in named and key != "masked_spec_embed"]
    if missing:
        raise ModelError(f"the weights in {folder} lack {len(missing)} tensors, for example {missing[0]!r}")
    wrong = [key for key in expected if key in named and named[key].shape != expected[key].shape]
    if wrong:
        raise ModelError(
            f"{wrong[0]!r} in {folder} has shape {tuple(named[wrong[0]].shape)}, "
            f"config.json says {tuple(expected[wrong[0]].shape)}: weights and configuration are of two models"
        )
    model.load_state_dict({key: value for key, value in named.items() if key in expected}, strict=False)
    logger.info("speech encoder %s: %.1f M parameters", folder, sum(p.numel() for p in model.parameters()) / 1e6)
