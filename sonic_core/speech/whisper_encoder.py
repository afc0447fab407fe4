"""The encoder of OpenAI's Whisper: log-mel spectrogram -> all hidden states, 50 rows a second.

Tensor names are those of `transformers.WhisperEncoder`, whose numbers it gives. It does not pad to 30 s: attention
sees only as many rows as there is sound, up to `MAX_SECONDS`. Source: Radford et al. 2022, code and weights MIT.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from sonic_core.errors import ModelError
from sonic_core.weights.read import load_into

MAX_SECONDS = 30.0
HEAD_WIDTH = 64  # of every published Whisper


class EncoderLayer(nn.Module):
    def __init__(self, width: int, feed: int, heads: int):
        super().__init__()
        self.self_attn = SelfAttention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, feed), nn.Linear(feed, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(3))
        self.k_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, width) -> (b, n, width)."""
        shape = (*x.shape[:2], self.heads, -1)
        q, k, v = (project(x).view(shape).transpose(1, 2) for project in (self.q_proj, self.k_proj, self.v_proj))
        return self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class WhisperEncoder(nn.Module):
    """Gives the embedding and one state for each layer."""

    def __init__(self, bands: int, width: int, feed: int, layers: int, heads: int, rows: int):
        super().__init__()
        self.conv1 = nn.Conv1d(bands, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        # Never drawn at random: on the meta device that imports half of torch, a second of processor time.
        self.embed_positions = nn.Embedding.from_pretrained(torch.empty(rows, width))
        self.layers = nn.ModuleList(EncoderLayer(width, feed, heads) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)

    @staticmethod
    def from_state(
        state: Mapping[str, Tensor], where: str, heads: int | None = None, layers: int | None = None
    ) -> WhisperEncoder:
        """Build with the sizes of the tensors; `where` names them in errors.

        `heads` and `layers` are what a configuration says, if there is one. Raises ModelError if they do not fit.
        """
        try:
            width, bands = state["conv1.weight"].shape[:2]
            feed = len(state["layers.0.fc1.bias"])
            rows = len(state["embed_positions.weight"])
        except KeyError as error:
            raise ModelError(f"{where} does not hold a Whisper encoder: it lacks {error.args[0]!r}") from error
        layers = layers or 1 + max(int(key.split(".")[1]) for key in state if key.startswith("layers."))
        with torch.device("meta"):
            encoder = WhisperEncoder(bands, width, feed, layers, heads or width // HEAD_WIDTH, rows)
        load_into(encoder, dict(state), where)
        return encoder.eval()

    @staticmethod
    def from_file(path: Path, dtype: torch.dtype = torch.float32) -> WhisperEncoder:
        """Read one safetensors file. Raises ModelError if it is missing or holds something else."""
        if not path.is_file():
            raise ModelError(f"{path} is missing: install the package again")
        return WhisperEncoder.from_state({key: value.to(dtype) for key, value in load_file(path).items()}, str(path))

    def forward(self, mel: Tensor) -> Tensor:
        """(b, bands, 2 * n) -> (b, n, layers + 1, width), n up to 1500.

        The states are the embedding, the output of each layer but the last, and the last one after the final norm.
        """
        x = F.gelu(self.conv1(mel))
        x = F.gelu(self.conv2(x)).transpose(1, 2)
        x = x + self.embed_positions.weight[: x.shape[1]]
        states = [x]
        for layer in self.layers:
            x = layer(x)
            states.append(x)
        states[-1] = self.layer_norm(x)
        return torch.stack(states, 2)
