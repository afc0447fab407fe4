"""Whisper features: all states, in 30 s pieces, from any spelling of a checkpoint."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sonic_core.errors import ModelError
from sonic_core.speech.log_mel import log_mel
from sonic_core.speech.whisper import WhisperFeatures
from sonic_core.speech.whisper_encoder import WhisperEncoder as WhisperEncoderOfOurs

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
        theirs = encoder(features.log_mel(speech), output_hidden_states=True).hidden_states
    torch.testing.assert_close(states, torch.stack(theirs, 2)[0], rtol=1e-4, atol=1e-5)


def test_long_speech_is_cut_into_pieces(encoder):
    features = WhisperFeatures.from_state(CONFIG, state(encoder, "encoder."))
    assert features.log_mel(np.zeros(480_001, np.float32)).shape == (2, 80, 3000)


def test_other_tensors_are_refused(encoder):
    with pytest.raises(ModelError, match="Whisper"):
        WhisperFeatures.from_state(CONFIG | {"encoder_layers": 3}, state(encoder, "encoder."))


def test_the_log_mel_is_that_of_transformers():
    speech = np.random.default_rng(1).standard_normal(30 * 16000).astype(np.float32) * 0.1
    theirs = WhisperFeatureExtractor(feature_size=80)(speech, sampling_rate=16000, return_tensors="np").input_features
    np.testing.assert_allclose(log_mel(speech).numpy(), theirs[0], atol=2e-5)


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 200, 201, 640])
def test_short_sounds_give_as_many_rows_as_they_last(samples):
    assert log_mel(np.ones(samples, np.float32)).shape == (80, max(samples, 201 if samples <= 200 else 0) // 160)


def test_an_encoder_hears_as_many_rows_as_there_is_sound(encoder):
    own = WhisperEncoderOfOurs.from_state(dict(encoder.state_dict()), "the test's", heads=1)
    assert own(log_mel(np.zeros(640 * 7, np.float32))[None]).shape == (1, 14, 3, 8)


def test_a_file_that_is_missing_or_strange_is_named(tmp_path):
    with pytest.raises(ModelError, match="missing"):
        WhisperEncoderOfOurs.from_file(tmp_path / "whisper.safetensors")
    save_file({"x": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="Whisper encoder"):
        WhisperEncoderOfOurs.from_file(tmp_path / "other.safetensors")
