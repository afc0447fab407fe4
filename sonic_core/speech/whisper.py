"""Whisper's encoder as a source of speech features: waveform -> all hidden states at 50 Hz.

Audio is mono 16 kHz. Longer audio is cut into the 30 s pieces Whisper was trained on. What the features are used
for is not known here. The network and its log-mel are those of `transformers`.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sonic_core.optional_imports import broken_ones_replaced
from sonic_core.weights.read import load_into

with broken_ones_replaced():
    from transformers import WhisperConfig, WhisperFeatureExtractor
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

SAMPLE_RATE = 16000
FEATURE_RATE = 50


class WhisperFeatures(nn.Module):
    """Log-mel and encoder; `layers` and `width` say what comes out of it."""

    def __init__(self, encoder: WhisperEncoder, config: WhisperConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.mel = WhisperFeatureExtractor(feature_size=config.num_mel_bins)
        self.layers = config.encoder_layers + 1
        self.width = config.d_model

    @classmethod
    def from_state(cls, config: dict[str, Any], state: dict[str, Tensor]) -> "WhisperFeatures":
        """Build from a `config.json` and the tensors of a Whisper checkpoint, of which only the encoder is used.

        Raises:
            ModelError: the tensors are not those of an encoder of this configuration.
        """
        whisper_config = WhisperConfig.from_dict(config)
        prefix = "model.encoder." if "model.encoder.conv1.weight" in state else "encoder."
        with torch.device("meta"):
            encoder = WhisperEncoder(whisper_config)
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        load_into(encoder, own, "the Whisper model")
        return cls(encoder, whisper_config)

    def log_mel(self, speech: np.ndarray) -> Tensor:
        """(samples,) float32 at 16 kHz -> (pieces, 80, 3000), one piece for every 30 s begun."""
        size = self.mel.n_samples
        pieces = [speech[start : start + size] for start in range(0, len(speech), size)]
        features = [self.mel(piece, sampling_rate=SAMPLE_RATE, return_tensors="np").input_features for piece in pieces]
        return torch.from_numpy(np.concatenate(features).astype(np.float32))

    @torch.inference_mode()
    def forward(self, speech: np.ndarray) -> Tensor:
        """(samples,) float32 at 16 kHz -> (1500 * pieces, layers, width), 50 rows a second.

        The layers are the embedding output, the output of each block but the last, and the last one after the final
        norm.
        """
        weight = self.encoder.conv1.weight
        rows = []
        for piece in self.log_mel(speech).split(1):
            states = self.encoder(piece.to(weight), output_hidden_states=True).hidden_states
            rows.append(torch.stack(states, dim=2)[0])
        return torch.cat(rows)
