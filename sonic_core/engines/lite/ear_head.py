"""From what the encoder hears to what the mouth does: a small convolutional head on its hidden states.

The mouth is a regression, not a diffusion: a sample of a diffused mouth followed strangers less well than the mean
(training/ears/README.md). A mean never quite meets the lips for an m and parts them again in three frames, so the head
also gives the probability of each kind of articulation (`KINDS`), and `articulation.py` makes the mouth do it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonic_core.engines.lite.layout import MOUTH_CHANNELS

# What a phone demands of lips, jaw and tongue, whatever its neighbours are: see `articulation.py`.
KINDS = ("closed", "teeth", "round", "spread", "open", "tongue")


@dataclass(frozen=True)
class EarHeadConfig:
    states: int = 5  # hidden states of the encoder, the embedding included
    heard: int = 384
    width: int = 160
    layers: int = 4
    phones: int = 0  # classes of the phone output, which serves training only; 0 in the shipped head


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
    """Hidden states -> mouth coefficients and kinds of articulation, one row for each video frame."""

    def __init__(self, config: EarHeadConfig, dropout: float = 0.0):
        super().__init__()
        self.config = config
        w = config.width
        self.mix = nn.Parameter(torch.zeros(config.states))
        self.enter = nn.Linear(config.heard, w)
        self.pair = nn.Linear(2 * w, w)  # the encoder gives two rows for each video frame
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
