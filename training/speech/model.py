"""The small HuBERT-shaped encoder and the heads that teach it.

The shape is HubertModel's, only the numbers differ: instead of many short convolutions that must first discover what
a spectrum is, the first is a bank of Gabor filters on the mel scale (cosine and sine, both signs, rectified by the
ReLU), the second starts as a smoother that gives each band at four thresholds (a crude logarithm), and four at 50 Hz
do what a phone recogniser's do. The bank is kept, the rest is trained.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import HubertConfig, HubertModel

from sonic_core.engines.lite.layout import MOUTH_CHANNELS
from training.speech.phones import PHONES

RATE = 16000
BANDS = 48
CHANNELS = 4 * BANDS


def encoder_config(width: int = 192, layers: int = 2) -> HubertConfig:
    return HubertConfig(
        conv_dim=(CHANNELS,) * 3 + (width,) * 4,
        conv_kernel=(320, 4, 4, 5, 5, 5, 5),
        conv_stride=(80, 2, 2, 1, 1, 1, 1),
        conv_bias=True,
        feat_extract_norm="layer",
        feat_extract_activation="relu",
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=3 * width,
        num_conv_pos_embeddings=31,
        num_conv_pos_embedding_groups=8,
        do_stable_layer_norm=True,
        hidden_dropout=0.05,
        attention_dropout=0.0,
        activation_dropout=0.05,
        feat_proj_dropout=0.0,
        layerdrop=0.0,
        apply_spec_augment=False,
        vocab_size=len(PHONES),
    )


def mel_centres(bands: int, low: float = 80.0, high: float = 7400.0) -> np.ndarray:
    """(bands + 2,) frequencies in hertz, equally spaced in mel, edges included."""
    mel = np.linspace(2595 * np.log10(1 + low / 700), 2595 * np.log10(1 + high / 700), bands + 2)
    return 700 * (10 ** (mel / 2595) - 1)


def gabor_bank(kernel: int) -> np.ndarray:
    """(4 * BANDS, kernel): cosine, -cosine, sine, -sine of each band, louder towards high frequencies."""
    edges = mel_centres(BANDS)
    time = (np.arange(kernel) - (kernel - 1) / 2) / RATE
    rows = []
    for sign, phase in ((1, 0.0), (-1, 0.0), (1, np.pi / 2), (-1, np.pi / 2)):
        for k in range(BANDS):
            width = max(edges[k + 2] - edges[k], 90.0)  # hertz between the half-power points, roughly
            envelope = np.exp(-0.5 * (time * width * 2.2) ** 2) * np.hanning(kernel)
            wave = np.cos(2 * np.pi * edges[k + 1] * time - phase) * envelope
            gain = (edges[k + 1] / 500) ** 0.7 if edges[k + 1] > 500 else 1.0  # speech falls by 6 dB an octave
            rows.append(sign * gain * wave / np.sqrt((wave**2).sum()))
    return np.array(rows, np.float32)


class Teacher(nn.Module):
    """The encoder with a phone head and a mouth head, both at 50 Hz."""

    def __init__(self, config: HubertConfig):
        super().__init__()
        self.encoder = HubertModel(config)
        self.phone_head = nn.Linear(config.hidden_size, len(PHONES))
        self.mouth_head = nn.Linear(config.hidden_size, MOUTH_CHANNELS)
        start_as_filterbank(self.encoder)

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """(b, samples) -> phone logits (b, frames, phones), mouth (b, frames, 12)."""
        hidden = self.encoder(waveform).last_hidden_state
        return self.phone_head(hidden), self.mouth_head(hidden)


@torch.no_grad()
def start_as_filterbank(encoder: HubertModel) -> None:
    layers = encoder.feature_extractor.conv_layers
    # 0.02 keeps room noise below the layer norm's epsilon, so a pause does not look like speech.
    layers[0].conv.weight.copy_(torch.from_numpy(0.02 * gabor_bank(320))[:, None])
    layers[0].conv.bias.zero_()
    smooth = torch.zeros_like(layers[1].conv.weight)  # (4 * BANDS, 4 * BANDS, 4)
    slope, offset = torch.ones(CHANNELS), torch.zeros(CHANNELS)
    taps = torch.tensor([0.15, 0.35, 0.35, 0.15])
    # Signs in equal number, so that the layer norm subtracts nothing: two rising ramps, two falling ones.
    for group, (sign, steepness, start) in enumerate(((1, 1.0, 0.0), (1, 1.0, -1.0), (-1, 3.0, 1.0), (-1, 12.0, 1.0))):
        for k in range(BANDS):
            row = group * BANDS + k
            smooth[row, k::BANDS] = sign * taps
            slope[row], offset[row] = steepness, start
    layers[1].conv.weight.copy_(smooth + 0.005 * torch.randn(smooth.shape))
    layers[1].conv.bias.zero_()
    layers[1].layer_norm.weight.copy_(slope)
    layers[1].layer_norm.bias.copy_(offset)
    for layer in layers[2:]:
        nn.init.kaiming_normal_(layer.conv.weight, nonlinearity="relu")
        nn.init.zeros_(layer.conv.bias)


def save_encoder(encoder: HubertModel, folder: Path) -> None:
    """A HuBERT folder, weights as float16."""
    folder.mkdir(parents=True, exist_ok=True)
    config = encoder.config.to_diff_dict()
    for passing in ("transformers_version", "dtype", "torch_dtype", "architectures"):
        config.pop(passing, None)
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    preprocessor = {"do_normalize": True, "feature_size": 1, "padding_value": 0.0, "sampling_rate": RATE}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor, indent=1) + "\n")
    state = {k: v.detach().half().contiguous() for k, v in encoder.state_dict().items()}
    save_file(state, folder / "model.safetensors.part", metadata={"format": "pt"})
    (folder / "model.safetensors.part").replace(folder / "model.safetensors")
