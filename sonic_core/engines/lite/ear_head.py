"""From what Whisper hears to what the mouth does: a small convolutional head on the encoder's hidden states.

The mouth is a regression, not a diffusion: two samples of 0.1.0's diffused mouth agreed to 0.99, and its mean is what
follows a voice best. What a mean cannot do, meet the lips for an m and part them again in three frames, is said apart:
the head also tells how far each kind of articulation (`KINDS`) is wanted, and `articulation.py` makes the mouth do it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonic_core.engines.lite.layout import MOUTH_CHANNELS

# What lips, jaw and tongue must do for a phone, whatever its neighbours: see `articulation.py`.
KINDS = ("closed", "teeth", "round", "spread", "open", "tongue")


@dataclass(frozen=True)
class EarHeadConfig:
    states: int = 5  # hidden states of the encoder, the embedding included
    heard: int = 384
    width: int = 160
    layers: int = 4
    phones: int = 0  # classes of the phone output that only trains it; 0 in the shipped head


class Layer(nn.Module):
    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.near = nn.Conv1d(width, width, 5, padding=2)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, width) -> (b, n, width)."""
        return x + self.drop(F.gelu(self.near(self.norm(x).transpose(1, 2)))).transpose(1, 2)


class EarHead(nn.Module):
    """Hidden states -> mouth coefficients and articulation, a row for each video frame."""

    def __init__(self, config: EarHeadConfig, dropout: float = 0.0):
        super().__init__()
        self.config = config
        w = config.width
        self.mix = nn.Parameter(torch.zeros(config.states))
        self.enter = nn.Linear(config.heard, w)
        self.pair = nn.Linear(2 * w, w)  # two rows of the encoder to a video frame
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(w, dropout) for _ in range(config.layers))
        self.mouth = nn.Linear(w, MOUTH_CHANNELS)
        self.articulation = nn.Linear(w, len(KINDS))
        self.phones = nn.Linear(w, 2 * config.phones) if config.phones else None

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(b, 2 n, states, heard) -> mouth (b, n, 12), logits of kinds (b, n, kinds) and of phones (b, 2 n, phones)."""
        normed = F.layer_norm(states, states.shape[-1:])
        x = torch.einsum("bnsh,s->bnh", normed, self.mix.softmax(0))
        x = F.gelu(self.enter(self.drop(x)))
        x = self.pair(x.reshape(len(x), -1, 2 * x.shape[-1]))
        for layer in self.layers:
            x = layer(x)
        phones = None if self.phones is None else self.phones(x).reshape(len(x), 2 * x.shape[1], -1)
        return self.mouth(x), self.articulation(x), phones
