"""The ears of the lite engine: windows that agree, a stream that says the same as a whole clip, lips that meet."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_core.engines.lite.articulation import OPEN, PRESSED, TEETH, Articulation
from sonic_core.engines.lite.ear_head import KINDS, EarHead, EarHeadConfig
from sonic_core.engines.lite.ears import SAMPLES, WINDOW, Ears, load_encoder, load_head, window_starts, window_weight
from sonic_core.engines.lite.layout import WEIGHTS, MouthBasis
from sonic_core.errors import ModelError
from sonic_core.media.audio import load_audio, speech_waveform

ARTICULATION = Articulation(MouthBasis.load())


@pytest.fixture(scope="module")
def ears() -> Ears:
    return Ears.from_folder(WEIGHTS)


@pytest.fixture(scope="module")
def speech(speech_path) -> np.ndarray:
    return speech_waveform(load_audio(speech_path), 16000)


@pytest.mark.parametrize("frames", [0, 1, 30, WINDOW, WINDOW + 1])
def test_a_row_for_every_frame(ears, speech, frames):
    rows = ears.articulate(speech[: max(0, frames - 3) * SAMPLES], frames)
    assert rows.shape == (frames, 15) and np.isfinite(rows).all()


def test_a_long_clip_says_what_its_parts_say(ears, speech):
    whole = ARTICULATION.opening(ears.articulate(speech, len(speech) // SAMPLES))
    assert whole.std() > 0.01
    part = slice(20, 20 + WINDOW)
    alone = ARTICULATION.opening(ears.articulate(speech[part.start * SAMPLES :], WINDOW))
    inner = slice(10, -6)  # the part begins and ends in the middle of a word
    assert np.corrcoef(whole[part][inner], alone[inner])[0, 1] > 0.95


def test_a_stream_gives_every_row_once_and_agrees_with_the_whole_clip(ears, speech):
    stream, rng, rows, at = ears.stream(look_ahead=0.4), np.random.default_rng(0), [], 0
    while at < len(speech):
        step = int(rng.integers(0, 8000))
        rows.append(stream.push(speech[at : at + step]))
        at += step
        assert sum(map(len, rows)) == max(0, min(at, len(speech)) - 6400) // SAMPLES
    rows.append(stream.flush())
    live = np.concatenate(rows)
    assert len(live) == -(-len(speech) // SAMPLES)
    assert np.corrcoef(ARTICULATION.opening(live), ARTICULATION.opening(ears.articulate(speech, len(live))))[0, 1] > 0.9
    assert len(stream.sound) < 6 * 16000  # it forgets


def test_silence_and_noise_do_not_speak(ears):
    noise = np.random.default_rng(0).standard_normal(16000 * 4).astype(np.float32)
    for sound in (0 * noise, 0.002 * noise, 0.1 * noise):
        assert np.percentile(ARTICULATION.opening(ears.articulate(sound, 100)), 95) < 0.01


@given(frames=st.integers(1, 4000))
def test_windows_cover_a_clip_and_their_weights_never_vanish(frames):
    weight = np.zeros(frames)
    for start in window_starts(frames):
        stop = min(start + WINDOW, frames)
        assert stop - start == min(WINDOW, frames)
        weight[start:stop] += window_weight(start, stop, frames)[:, 0]
    assert weight.min() > 1e-5 and weight[0] >= 1 and weight[-1] >= 1


mouths = st.lists(st.floats(-3, 3), min_size=12, max_size=12).map(lambda c: np.array([c], np.float32))


@settings(max_examples=50)
@given(mouth=mouths)
def test_any_mouth_closes_for_m_and_nearly_for_f(mouth):
    for kind, widest in (("closed", PRESSED), ("teeth", TEETH)):
        wanted = np.zeros((1, len(KINDS)), np.float32)
        wanted[0, KINDS.index(kind)] = 1
        made = ARTICULATION.apply(mouth, wanted)
        gaps = made[:, :12] @ ARTICULATION.gap
        assert gaps.max() <= max(widest, 0) + 0.006
        assert made[0, 12] == (kind == "closed") and made[0, 13] == (kind == "teeth")


@settings(max_examples=50)
@given(mouth=mouths)
def test_the_opening_is_the_distance_between_the_inner_lips(mouth):
    points = ARTICULATION.basis.rest + ARTICULATION.basis.displacement(mouth)[0]
    drawn = (points[14, 1] - points[13, 1]) / np.linalg.norm(ARTICULATION.basis.rest[10] - ARTICULATION.basis.rest[152])
    assert ARTICULATION.opening(mouth) == pytest.approx(max(drawn, 0), abs=2e-3)


@settings(max_examples=50)
@given(mouth=mouths)
def test_a_mouth_of_which_nothing_is_asked_stays_as_it_is(mouth):
    made = ARTICULATION.apply(mouth, np.zeros((1, len(KINDS)), np.float32))
    assert np.allclose(made[:, :12], mouth, atol=1e-6) and not made[:, 12:].any()


@pytest.mark.parametrize(("predicted", "drawn"), [(0.012, OPEN), (0.04, 0.04), (0.0, 0.0)])
def test_an_open_vowel_opens_lips_that_are_ajar_and_leaves_shut_ones(predicted, drawn):
    mouth = np.zeros((1, 12), np.float32)
    mouth[0, 0] = predicted / ARTICULATION.gap[0, 4]
    wanted = np.zeros((1, len(KINDS)), np.float32)
    wanted[0, KINDS.index("open")] = 1
    assert ARTICULATION.opening(ARTICULATION.apply(mouth, wanted)) == pytest.approx(drawn, abs=1e-6)


def test_rounding_narrows_and_spreading_widens():
    for kind, sign in (("round", -1), ("spread", 1)):
        wanted = np.zeros((1, len(KINDS)), np.float32)
        wanted[0, KINDS.index(kind)] = 1
        mouth = ARTICULATION.apply(np.zeros((1, 12), np.float32), wanted)[:, :12]
        assert sign * float((mouth @ ARTICULATION.width)[0, 0]) > 0.004


def test_a_bundle_that_names_no_ears_is_refused(tmp_path):
    with pytest.raises(ModelError, match="ears"):
        load_encoder(tmp_path)
    (tmp_path / "bundle.json").write_text(json.dumps({"ears": "dog"}))
    with pytest.raises(ModelError, match="'dog'"):
        load_encoder(tmp_path)
    with pytest.raises(ModelError, match="missing"):
        load_head(tmp_path / "ears.safetensors")
    with pytest.raises(ModelError, match="ear head"):
        load_head(WEIGHTS / "mouth_basis.safetensors")


def test_a_bundle_may_listen_with_hubert(tmp_path):
    from safetensors.torch import save_file
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(0)
    config = HubertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
                          conv_dim=(8,) * 7, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2)  # fmt: skip
    (tmp_path / "hubert").mkdir()
    HubertModel(config).save_pretrained(tmp_path / "hubert")
    head = EarHead(EarHeadConfig(states=3, heard=16, width=8, layers=1))
    fields = json.dumps({"states": 3, "heard": 16, "width": 8, "layers": 1})
    save_file(dict(head.state_dict()), tmp_path / "ears.safetensors", metadata={"config": fields})
    (tmp_path / "bundle.json").write_text(json.dumps({"ears": "hubert"}))
    rows = Ears.from_folder(tmp_path).articulate(np.zeros(8000, np.float32), 12)
    assert rows.shape == (12, 15)
