"""Chunks cover every frame once and fade into each other; tiles cover the picture; half precision falls back."""

from types import SimpleNamespace

import torch
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.engines.sonic.checkpoint import read_part
from sonic_core.engines.sonic.vae import VideoAutoencoder, decode_chunks, tiled


def marked(latents: torch.Tensor) -> torch.Tensor:
    """A decoder that shows the latent's first channel."""
    return latents[:, :1].repeat(1, 3, 1, 1)


@given(st.integers(1, 40), st.integers(1, 9), st.data())
def test_every_frame_comes_once_and_unchanged(frames, chunk, data):
    overlap = data.draw(st.integers(0, chunk - 1))
    latents = torch.arange(frames, dtype=torch.float32).view(-1, 1, 1, 1).repeat(1, 4, 2, 2)
    made = list(decode_chunks(marked, latents, chunk, overlap))
    assert all(len(part) >= 1 for part in made)
    torch.testing.assert_close(torch.cat(made), marked(latents))


def test_overlapping_chunks_are_cross_faded():
    calls = []

    def decode(latents):  # every chunk has its own brightness, as a decoder with edges does
        calls.append(len(latents))
        return torch.full((len(latents), 3, 1, 1), float(len(calls)))

    made = torch.cat(list(decode_chunks(decode, torch.zeros(8, 4, 1, 1), 5, 2)))[:, 0, 0, 0]
    assert calls == [5, 5]
    torch.testing.assert_close(made, torch.tensor([1, 1, 1, 4 / 3, 5 / 3, 2, 2, 2]))


def test_chunks_are_made_as_they_are_asked_for():
    calls = []
    chunks = decode_chunks(lambda x: calls.append(len(x)) or marked(x), torch.zeros(100, 4, 1, 1), 8, 2)
    next(chunks)
    assert calls == [8]


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from([4, 8, 12]))
def test_tiles_give_back_a_picture_that_decodes_pixel_by_pixel(height, width, tile):
    latents = torch.randn(2, 4, height, width, generator=torch.Generator().manual_seed(0))

    def decode(x):
        assert max(x.shape[-2:]) <= tile
        return marked(x).repeat_interleave(2, -1).repeat_interleave(2, -2)

    whole = marked(latents).repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(tiled(decode, tile, 2)(latents), whole)


def test_tiles_are_put_together_where_the_decoder_is():
    """As a card showed: the latents wait in main memory. Here the meta device stands for the card."""
    latents = torch.ones(2, 4, 9, 6)

    def decode(tile):
        return torch.empty(len(tile), 3, 2 * tile.shape[-2], 2 * tile.shape[-1], device="meta")

    frames = tiled(decode, 4, 2)(latents)
    assert frames.is_meta
    assert frames.shape == (2, 3, 18, 12)


def test_a_tiled_decoder_is_near_the_whole_one(engine):
    latents = torch.randn(2, 4, 12, 12, generator=torch.Generator().manual_seed(0))
    whole = engine.net.vae.decode(latents)
    parts = tiled(engine.net.vae.decode, 8, engine.net.vae.factor)(latents)
    assert parts.shape == whole.shape
    assert (parts - whole).abs().mean() < 0.5 * whole.std()


def test_a_decoder_that_overflows_goes_on_in_float32(model_folder, caplog, monkeypatch):
    vae = VideoAutoencoder.from_state(*read_part(model_folder / "svd" / "vae"))
    vae.place(torch.device("cpu"), torch.float16)
    decoded = []

    def decode(latents, num_frames):
        decoded.append(latents.dtype)
        bad = latents.dtype == torch.float16
        return SimpleNamespace(sample=torch.full((num_frames, 3, 8, 8), torch.inf if bad else 0.5, dtype=latents.dtype))

    monkeypatch.setattr(vae.network, "decode", decode)
    for _ in range(2):
        assert (vae.decode(torch.zeros(2, 4, 1, 1)) == 0.5).all()
    assert decoded == [torch.float16, torch.float32, torch.float32]
    assert caplog.text.count("overflowed in torch.float16") == 1
