"""From photo and sound to frames as an independent implementation makes them, on a tiny model of random weights."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLTemporalDecoder
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sonic_core.engines.sonic.checkpoint import image_encoder_from_state, unet_from_state
from sonic_core.engines.sonic.conditions import Networks
from sonic_core.engines.sonic.config import read_config
from sonic_core.engines.sonic.unet import SonicUNet
from sonic_core.engines.sonic.vae import VideoAutoencoder
from sonic_core.speech.tokens import BUCKET_WINDOW, TOKEN_WINDOW, AudioToBucket, AudioToToken
from sonic_core.speech.whisper import WhisperFeatures
from sonic_core.weights.read import read_tensors

from . import tiny

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tools.end_to_end import CASES, check_end_to_end

SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "interpolation_type": "linear",
    "use_karras_sigmas": True,
    "sigma_min": 0.002,
    "sigma_max": 700.0,
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "steps_offset": 1,
}
SAMPLER = {
    "frames_per_window": 4,
    "overlap": 1,
    "shift_offset": 3,
    "steps": 2,
    "fps": 12.5,
    "motion_bucket_scale": 1.0,
    "image_guidance": 2.0,
    "audio_guidance": 7.5,
    "decode_chunk_size": 3,
}
UNET = {**tiny.CONFIG["unet"], "in_channels": 8, "out_channels": 4}
QUICK = [case for case in CASES if case.name in ("portrait", "0.6 s", "face at the border")]


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the golden format, of other sizes than the shared one."""
    folder = tmp_path_factory.mktemp("golden")
    torch.manual_seed(0)
    width, context = tiny.SPEECH_WIDTH * tiny.SPEECH_LAYERS, tiny.CONTEXT
    networks = {
        "unet": SonicUNet(tiny.unet_config()),
        "vae": AutoencoderKLTemporalDecoder(**tiny.VAE_CONFIG),
        "clip": CLIPVisionModelWithProjection(CLIPVisionConfig(**tiny.IMAGE_ENCODER_CONFIG)),
        "whisper": WhisperEncoder(WhisperConfig(**tiny.SPEECH_CONFIG)),
        "audio2token": AudioToToken(TOKEN_WINDOW * width, 16, tiny.TOKENS, context),
        "audio2bucket": AudioToBucket(BUCKET_WINDOW * tiny.SPEECH_WIDTH + context, 16, 2),
    }
    for name, network in networks.items():
        prefix = "encoder." if name == "whisper" else ""
        save_file({prefix + k: v.contiguous() for k, v in network.state_dict().items()}, folder / f"{name}.safetensors")
    sections = {
        "unet": UNET,
        "vae": tiny.VAE_CONFIG,
        "clip": tiny.IMAGE_ENCODER_CONFIG,
        "whisper": tiny.SPEECH_CONFIG,
        "scheduler": SCHEDULER,
        "sampler": SAMPLER,
    }
    (folder / "config.json").write_text(json.dumps(sections))
    return folder


def loaded(folder: Path) -> Networks:
    config = read_config(folder / "config.json")

    def read(name: str) -> dict[str, torch.Tensor]:
        return read_tensors(folder / f"{name}.safetensors")

    return Networks(
        unet=unet_from_state(config.unet, read("unet")),
        vae=VideoAutoencoder.from_state(config.vae, read("vae")),
        image_encoder=image_encoder_from_state(config.clip, read("clip")),
        speech=WhisperFeatures.from_state(config.whisper, read("whisper")),
        tokens=AudioToToken.from_state(read("audio2token")),
        buckets=AudioToBucket.from_state(read("audio2bucket")),
        rife=None,
    )


def test_frames_are_those_of_an_independent_implementation(golden):
    config = read_config(golden / "config.json")
    single = [replace(case, precisions=(torch.float32,)) for case in QUICK]
    with torch.inference_mode():
        errors = {name: error for name, _, error in check_end_to_end(golden, loaded(golden), config, single)}
    assert len(errors) == 3
    assert max(errors.values()) < 1e-4, errors
