"""Another background behind the person, through the library with the engine that ships."""

import numpy as np
import pytest
from PIL import Image

from sonic_core.clip import Audio

SECONDS = 0.4


@pytest.fixture(scope="module")
def photo(portrait_path) -> np.ndarray:
    return np.asarray(Image.open(portrait_path).convert("RGB").resize((256, 256)))


@pytest.fixture(scope="module")
def voice() -> Audio:
    return Audio((0.3 * np.sin(np.arange(round(16000 * SECONDS)) / 12)).astype(np.float32)[None], 16000)


def frames_of(clip) -> np.ndarray:
    return np.concatenate(list(clip.pixels())).astype(int)


@pytest.mark.parametrize("framing", ["whole", "face", "photo"])
def test_the_person_alone_is_as_with_the_background(pipe, photo, voice, framing):
    settings = {"min_resolution": 256, "framing": framing, "smooth": 0.3, "label": "en"}
    cut = frames_of(pipe(photo, voice, background="transparent", **settings))
    plain = frames_of(pipe(photo, voice, **settings))
    assert cut.shape == (*plain.shape[:3], 4)
    whole = cut[..., 3] == 255
    assert 0.2 < whole.mean() < 0.9
    assert np.abs(cut[whole][:, :3] - plain[whole]).mean() < 1.5
    assert (cut[..., 3] < 5).mean() > 0.1


def test_alpha_moves_with_the_head(pipe, photo, voice):
    still, turned = (
        frames_of(pipe(photo, voice, background="transparent", min_resolution=256, motion_scale=0, head_yaw=yaw))
        for yaw in (0.0, 10.0)
    )
    moved = np.abs(still[0, :140, :, 3] - turned[0, :140, :, 3]) > 128
    assert moved.sum() > 60  # the outline of the hair
    both = (still[0, ..., 3] == 255) & (turned[0, ..., 3] == 255)
    assert both[100:140, 110:140].all()


def test_a_colour_stands_still_behind_the_moving_hair(pipe, photo, voice):
    frames = frames_of(pipe(photo, voice, background="#102030", min_resolution=256))
    assert (frames[:, :30, :30] == (16, 32, 48)).all()
    assert frames.shape[-1] == 3


def test_an_engine_without_alpha_gets_the_photos(pipe, photo, voice, monkeypatch):
    """The released Sonic makes frames without alpha: lite stands in for it, its alpha taken away."""
    decode = pipe.engine.decode

    def plain(latents, settings):
        from dataclasses import replace

        return decode(replace(latents, portrait=replace(latents.portrait, cutout=None)), settings)

    wanted = frames_of(pipe(photo, voice, background="transparent", min_resolution=256))
    monkeypatch.setattr(pipe.engine, "decode", plain)
    found = frames_of(pipe(photo, voice, background="transparent", min_resolution=256))
    assert np.abs(found[..., 3] - wanted[..., 3]).mean() < 3
