import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import HubertConfig, HubertModel

from sonic_core.errors import InputError, ModelError
from sonic_core.speech.hubert import SpeechEncoder, strides


@pytest.fixture(scope="module")
def tiny() -> HubertModel:
    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, feat_extract_norm="layer",
    )  # fmt: skip
    return HubertModel(config).eval()


def write_folder(folder, model, pickled=False, normalize=True, rename=lambda key: key):
    state = {rename(key): value.contiguous() for key, value in model.state_dict().items()}
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()))
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": normalize}))
    if pickled:
        torch.save(state, folder / "pytorch_model.bin")
    else:
        save_file(state, folder / "model.safetensors")
    return folder


def speech(seconds=1.0, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(round(16000 * seconds))).astype(np.float32)


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_features_are_those_of_the_model(tmp_path, tiny, pickled, normalize):
    encoder = SpeechEncoder.from_folder(write_folder(tmp_path, tiny, pickled, normalize))
    x = speech()
    given = (x - x.mean()) / np.sqrt(x.var() + 1e-7) if normalize else x
    with torch.inference_mode():
        expected = tiny(torch.from_numpy(given)[None], output_hidden_states=True)
    assert torch.allclose(encoder.features(x), expected.last_hidden_state[0], atol=1e-4)
    states = encoder.features(x, all_layers=True)
    assert states.shape == (49, 3, 16)
    assert torch.allclose(states, torch.stack(expected.hidden_states, 2)[0], atol=1e-4)


@pytest.mark.parametrize(
    "names", [("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1")]
)
def test_either_spelling_of_weight_norm_and_the_prefix_load(tmp_path, tiny, names):
    def rename(key):
        for suffixes in (
            ("weight_g", "weight_v"),
            ("parametrizations.weight.original0", "parametrizations.weight.original1"),
        ):
            for old, new in zip(suffixes, names, strict=True):
                if key.endswith("conv." + old):
                    key = key.removesuffix(old) + new
        return "hubert." + key

    x = speech()
    plain = SpeechEncoder(tiny, normalize=True).features(x)
    assert torch.allclose(SpeechEncoder.from_folder(write_folder(tmp_path, tiny, rename=rename)).features(x), plain)


def test_chunks_join_to_the_whole(tiny):
    x = speech(12.0)
    whole = SpeechEncoder(tiny, normalize=True, chunk_seconds=30).features(x)
    chunked = SpeechEncoder(tiny, normalize=True, chunk_seconds=3).features(x)
    assert chunked.shape == whole.shape == (599, 16)
    assert (chunked - whole).abs().max() < 0.05 * whole.abs().max()
    assert torch.equal(
        SpeechEncoder(tiny, normalize=True, chunk_seconds=3).features(x, all_layers=True)[:, -1], chunked
    )


@pytest.mark.parametrize("samples", [0, 1, 399])
def test_too_little_sound_gives_no_frame(tiny, samples):
    encoder = SpeechEncoder(tiny, normalize=True)
    assert encoder.features(np.zeros(samples, np.float32)).shape == (0, 16)
    assert encoder.features(np.zeros(samples, np.float32), all_layers=True).shape == (0, 3, 16)
    assert encoder.centred_features(np.zeros(samples, np.float32), 5).shape == (5, 16)


def test_centred_features_have_the_frames_asked_for(tiny):
    encoder = SpeechEncoder(tiny, normalize=False)
    x = speech(1.0)
    assert encoder.centred_features(x, 50).shape == (50, 16)
    assert encoder.centred_features(x, 70).shape == (70, 16)
    assert torch.allclose(encoder.centred_features(x, 20), encoder.centred_features(x, 50)[:20], atol=0.01)


def test_strides_of_the_full_model():
    assert strides(HubertConfig()) == (320, 400)


def test_faults_are_named(tmp_path, tiny):
    with pytest.raises(ModelError, match=r"config\.json"):
        SpeechEncoder.from_folder(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="not JSON"):
        SpeechEncoder.from_folder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(tiny.config.to_dict()))
    with pytest.raises(ModelError, match=r"neither model\.safetensors"):
        SpeechEncoder.from_folder(tmp_path)
    state = {k: v.contiguous() for k, v in tiny.state_dict().items()}
    save_file({k: v for k, v in state.items() if "q_proj" not in k}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="q_proj"):
        SpeechEncoder.from_folder(tmp_path)
    save_file(state | {"feature_projection.projection.weight": torch.zeros(3, 3)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="two models"):
        SpeechEncoder.from_folder(tmp_path)
    with pytest.raises(InputError, match="one channel"):
        SpeechEncoder(tiny, normalize=True).features(np.zeros((2, 16000), np.float32))
