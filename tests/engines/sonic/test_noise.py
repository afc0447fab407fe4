"""Seeds: ours mean the same everywhere, the release's reproduce its draws on the same device."""

from dataclasses import replace

import numpy as np
import torch

from sonic_core.engines.sonic.noise import RELEASE_SEED, release_noise, start_noise
from sonic_core.settings import Settings

CPU = torch.device("cpu")


def test_release_noise_follows_the_image_noise_in_half_precision():
    generator = torch.Generator().manual_seed(72589)
    torch.randn(1, 1, 4, 8, 16, generator=generator, dtype=torch.float16)
    expected = torch.randn(1, 5, 4, 8, 16, generator=generator, dtype=torch.float16)[0].float()
    assert torch.equal(release_noise(5, (4, 8, 16), 0, CPU), expected)
    assert torch.equal(release_noise(5, (4, 8, 16), RELEASE_SEED, CPU), expected)
    assert not torch.equal(release_noise(5, (4, 8, 16), 1, CPU), expected)


def test_our_noise_is_unit_and_float32():
    noise = start_noise(50, (4, 16, 16), 3)
    assert noise.dtype == torch.float32
    assert abs(float(noise.std()) - 1) < 0.02
    assert torch.equal(noise, start_noise(50, (4, 16, 16), 3))


def test_the_setting_decides(engine, portrait):
    few = Settings(inference_steps=1, min_resolution=64)
    conditions = engine.condition(portrait, np.zeros(1600, np.float32), few)
    ours, release, default = (
        engine.sample(conditions, replace(few, release_seed=on, seed=seed)).values
        for on, seed in ((False, RELEASE_SEED), (True, RELEASE_SEED), (True, 0))
    )
    assert torch.equal(release, default)
    assert not torch.allclose(ours, release)
