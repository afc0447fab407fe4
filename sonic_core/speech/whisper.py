"""Whisper as the released Sonic listens with it: waveform -> all hidden states at 50 Hz, in pieces of 30 s.

Audio is mono 16 kHz, cut into the 30 s pieces Whisper was trained on, the last one padded with silence.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sonic_core.speech.log_mel import SAMPLE_RATE, log_mel
from sonic_core.speech.whisper_encoder import MAX_SECONDS, WhisperEncoder

PIECE = int(MAX_SECONDS * SAMPLE_RATE)


class WhisperFeatures(nn.Module):
    """Log-mel and encoder; `layers` and `width` say what comes out of it."""

    def __init__(self, encoder: WhisperEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.width, self.bands = encoder.conv1.weight.shape[:2]
        self.layers = len(encoder.layers) + 1

    @classmethod
    def from_state(cls, config: dict[str, Any], state: dict[str, Tensor]) -> WhisperFeatures:
        """Build from a `config.json` and the tensors of a Whisper checkpoint, of which only the encoder is used.

        Raises:
            ModelError: the tensors are not those of an encoder of this configuration.
        """
        prefix = "model.encoder." if "model.encoder.conv1.weight" in state else "encoder."
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        heads, layers = config["encoder_attention_heads"], config["encoder_layers"]
        return cls(WhisperEncoder.from_state(own, "the Whisper model", heads, layers))

    def log_mel(self, speech: np.ndarray) -> Tensor:
        """(samples,) float32 at 16 kHz -> (pieces, bands, 3000), one piece for every 30 s begun."""
        pieces = [speech[start : start + PIECE] for start in range(0, len(speech), PIECE)]
        return torch.stack([log_mel(np.pad(piece, (0, PIECE - len(piece))), self.bands) for piece in pieces])

    @torch.inference_mode()
    def forward(self, speech: np.ndarray) -> Tensor:
        """(samples,) float32 at 16 kHz -> (1500 * pieces, layers, width), 50 rows a second.

        The layers are the embedding output, the output of each block but the last, and the last one after the final
        norm.
        """
        weight = self.encoder.conv1.weight
        return torch.cat([self.encoder(piece.to(weight))[0] for piece in self.log_mel(speech).split(1)])
