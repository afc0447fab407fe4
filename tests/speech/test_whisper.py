"""Whisper features: all states, in 30 s pieces, from any spelling of a checkpoint."""

import numpy as np
import pytest
import torch
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sonic_core.errors import ModelError
from sonic_core.speech.whisper import WhisperFeatures

CONFIG = {"d_model": 8, "encoder_layers": 2, "encoder_attention_heads": 1, "encoder_ffn_dim": 8, "num_mel_bins": 80}


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return WhisperEncoder(WhisperConfig(**CONFIG)).eval()


def state(encoder, prefix):
    return {prefix + name: value for name, value in encoder.state_dict().items()} | {"decoder.x": torch.ones(1)}


@pytest.mark.parametrize("prefix", ["encoder.", "model.encoder."])
def test_states_of_every_layer(encoder, prefix):
    features = WhisperFeatures.from_state(CONFIG, state(encoder, prefix))
    speech = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    states = features(speech)
    assert states.shape == (1500, 3, 8) == (1500, features.layers, features.width)
    with torch.no_grad():
        last = encoder(features.log_mel(speech)).last_hidden_state[0]
    torch.testing.assert_close(states[:, -1], last)


def test_long_speech_is_cut_into_pieces(encoder):
    features = WhisperFeatures.from_state(CONFIG, state(encoder, "encoder."))
    assert features.log_mel(np.zeros(480_001, np.float32)).shape == (2, 80, 3000)


def test_other_tensors_are_refused(encoder):
    with pytest.raises(ModelError, match="Whisper"):
        WhisperFeatures.from_state(CONFIG | {"encoder_layers": 3}, state(encoder, "encoder."))
