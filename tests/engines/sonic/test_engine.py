"""The whole engine on a tiny model: the protocol, the knobs, resuming."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sonic_core.engines import load_engine, sonic
from sonic_core.engines.sonic import memory
from sonic_core.engines.sonic.options import FAST, Approximations
from sonic_core.engines.sonic.sampling import guidance, noise_levels, scaled_buckets
from sonic_core.errors import InputError, ModelError, NotEnoughMemoryError
from sonic_core.settings import Settings, preset
from sonic_core.speech.tokens import frame_count

from .tiny import write_model_folder

FEW = Settings(inference_steps=2, min_resolution=64)


@pytest.fixture(scope="module")
def conditions(engine, portrait, speech):
    return engine.condition(portrait, speech, FEW)


def test_the_road_from_portrait_and_speech_to_frames(engine, portrait, speech):
    steps = []
    conditions = engine.condition(portrait, speech, FEW)
    latents = engine.sample(conditions, FEW, lambda done, total, picture: steps.append((done, total, picture)))
    clip = engine.decode(latents, FEW)
    frames = np.concatenate(list(clip.chunks()))
    assert latents.values.shape == (6, 4, 8, 16)
    assert frames.shape == (13, 64, 128, 3)
    assert (frames.min() >= 0, frames.max() <= 1) == (True, True)
    assert np.array_equal(frames, np.concatenate(list(clip.chunks())))
    assert [step[:2] for step in steps if step[2] is None] == [(1, 2), (2, 2)]
    assert [step[2].shape for step in steps if step[2] is not None] == [(8, 16, 3)] * 2


def test_a_model_folder_is_recognised(model_folder):
    engine = load_engine(model_folder, torch.device("cpu"), None, latents_folder=None)
    assert engine.name == "sonic"
    assert engine.net.rife is not None
    for stage in ("condition", "sample", "decode"):
        assert all(isinstance(network, torch.nn.Module) for network in engine.networks(stage))


@pytest.mark.parametrize(
    ("samples", "frames"),
    [(160000, 125), (136000, 106), (8000, 6), (1600, 1), (2559, 1), (2560, 2), (528000, 412)],
)
def test_the_model_makes_a_frame_of_every_two_whole_ones_at_25_fps(engine, portrait, samples, frames):
    assert frame_count(samples) == frames
    conditions = engine.condition(portrait, np.zeros(samples, np.float32), FEW)
    assert (len(conditions.tokens), len(conditions.buckets)) == (frames, frames)


def test_the_video_lasts_as_long_as_the_sound_and_holds_its_last_frame(engine, portrait):
    samples = 8000  # 0.5 s: 6 frames at 12.5 fps are 11 at 25 fps, and 13 are needed
    latents = engine.sample(engine.condition(portrait, np.zeros(samples, np.float32), FEW), FEW)
    frames = np.concatenate(list(engine.decode(latents, FEW).chunks()))
    assert (len(latents.values), len(frames)) == (6, 13)
    assert np.array_equal(frames[10], frames[12])
    assert not np.array_equal(frames[9], frames[10])


@pytest.mark.parametrize("samples", [1, 639, 1280, 1599])
def test_speech_without_a_frame_is_refused(engine, portrait, samples):
    with pytest.raises(InputError, match=r"needs at least 0\.1 s"):
        engine.condition(portrait, np.zeros(samples, np.float32), FEW)


def test_the_seed_decides_and_zero_is_a_seed(engine, conditions):
    first, again, other = (engine.sample(conditions, replace(FEW, seed=seed)).values for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_knobs_scale_their_buckets(engine):
    buckets = torch.tensor([[10.0, 20.0]])
    scaled = scaled_buckets(buckets, replace(FEW, motion_scale=0.5, dynamic_scale=1.5), engine.config.sampler)
    assert scaled.tolist() == [[5.0, 30.0]]
    assert torch.equal(scaled_buckets(buckets, FEW, engine.config.sampler), buckets)


def test_guidance_is_the_models_unless_given(engine):
    sampler = engine.config.sampler
    assert guidance(Approximations(), FEW, sampler).scales == (2.0, 7.5)
    assert guidance(Approximations(), replace(FEW, image_guidance=1.0, audio_guidance=3.0), sampler).scales == (
        1.0,
        3.0,
    )


def test_every_knob_changes_the_latents(engine, conditions):
    one_step = replace(FEW, inference_steps=1)
    plain = engine.sample(conditions, one_step).values
    for changes in ({"motion_scale": 0.5}, {"dynamic_scale": 1.5}, {"audio_guidance": 2.0}, {"image_guidance": 1.0}):
        assert not torch.allclose(engine.sample(conditions, replace(one_step, **changes)).values, plain), changes


def test_the_fast_preset_approximates_and_the_other_does_not(engine, conditions):
    assert preset("fast").inference_steps <= 10
    assert noise_levels(FAST, 10, engine.config)[1] != noise_levels(Approximations(), 10, engine.config)[1]
    exact, fast = (engine.sample(conditions, replace(FEW, fast=f)).values for f in (False, True))
    assert not torch.allclose(exact, fast)


def test_a_run_that_cannot_fit_is_refused_before_it_starts(engine, portrait, speech, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 0)
    with pytest.raises(NotEnoughMemoryError, match="sampling needs"):
        engine.condition(portrait, speech, FEW)


def test_latents_are_kept_in_the_precision_the_decoder_rounds_them_to(model_folder, portrait, speech):
    engine = sonic.load(model_folder, "cpu", torch.bfloat16, latents_folder=None)
    latents = engine.sample(engine.condition(portrait, speech, FEW), FEW)
    assert latents.values.dtype == torch.bfloat16
    assert torch.equal(engine.net.vae.decode(latents.values), engine.net.vae.decode(latents.values.float()))


def test_a_bundle_trained_on_hubert(tmp_path, portrait, speech):
    folder = write_model_folder(tmp_path / "bundle", audio_encoder="hubert")
    engine = sonic.load(folder, "cpu", latents_folder=None)
    assert engine.condition(portrait, speech, FEW).tokens.shape[0] == 6
    (folder / "bundle.json").unlink()
    with pytest.raises(ModelError, match=r"whisper-tiny/config\.json is missing"):
        sonic.load(folder, "cpu", latents_folder=None)


class TestResuming:
    """A run that was sampled is not sampled again until it has been decoded to its end."""

    @pytest.fixture
    def keeping(self, model_folder, tmp_path):
        return sonic.load(model_folder, "cpu", latents_folder=tmp_path / "latents")

    def test_latents_wait_for_the_end_of_decoding(self, keeping, conditions, tmp_path):
        latents = keeping.sample(conditions, FEW)
        steps = []
        again = keeping.sample(conditions, FEW, lambda *step: steps.append(step))
        assert torch.equal(again.values, latents.values)
        assert steps == []
        clip = keeping.decode(latents, FEW)
        next(clip.chunks())  # a crash here costs no sampling
        assert len(list((tmp_path / "latents").iterdir())) == 1
        assert sum(len(chunk) for chunk in clip.chunks()) == 13
        assert list((tmp_path / "latents").iterdir()) == []

    def test_other_settings_are_another_run(self, keeping, conditions, tmp_path):
        keeping.sample(conditions, FEW)
        keeping.sample(conditions, replace(FEW, seed=1))
        keeping.sample(conditions, replace(FEW, fps=30.0))  # resampling: the same latents
        assert len(list((tmp_path / "latents").iterdir())) == 2
