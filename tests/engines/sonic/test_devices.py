"""The whole engine on cards that are played on the CPU (`played_card.py`): nothing mixes devices, the numbers stay."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sonic_core.engines import sonic
from sonic_core.engines.base import MemoryPlan
from sonic_core.engines.sonic import denoiser, memory, norms, triton_norm
from sonic_core.engines.sonic.eight_bit import Float8Linear, store_in_eight_bits
from sonic_core.engines.sonic.noise import release_noise, start_noise
from sonic_core.engines.sonic.options import FAST
from sonic_core.settings import Settings

from .played_card import PlayedCards, PlayedGenerator

# A torch that was built for CUDA asks the driver in more places than are played, and `test_on_cuda.py` is for a card.
pytestmark = pytest.mark.skipif(torch.backends.cuda.is_built(), reason="this torch was built for real cards")

CUDA = torch.device("cuda")
ONCE = Settings(inference_steps=1, fps=12.5)
IN_TILES = MemoryPlan(peak_bytes=0, decode_chunk=3, window_batch=1, tile=6, branch_batch=1)


@pytest.fixture
def cards(monkeypatch):
    """Cards for this thread and the engine's; nothing asks the driver for one."""

    def workers(max_workers: int) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers, initializer=PlayedCards().__enter__)

    current = threading.local()

    @contextmanager
    def device(place):
        current.card = place
        yield
        current.card = None

    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(denoiser, "ThreadPoolExecutor", workers)
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2**33)
    monkeypatch.setattr(triton_norm, "AVAILABLE", False)
    monkeypatch.setattr(torch, "Generator", PlayedGenerator)
    with torch.no_grad(), PlayedCards():  # autograd would ask
        yield current


def loaded(folder, dtype=torch.float32, **options):
    return sonic.load(folder, "cuda", dtype, latents_folder=None, **{"graphs": False, **options})


def frames(engine, portrait, speech, settings=ONCE):
    latents = engine.sample(engine.condition(portrait, speech, settings), settings)
    return np.concatenate(list(engine.decode(latents, settings).chunks()))


def places(network: nn.Module) -> set[str]:
    return {parameter.device.type for parameter in network.parameters()}


@pytest.fixture(scope="module")
def wanted(engine, portrait, speech):
    return frames(engine, portrait, speech)


def test_a_clip_on_two_cards_is_that_of_the_cpu(cards, monkeypatch, model_folder, engine, portrait, speech):
    on_cards = loaded(model_folder, devices=("cuda:0", "cuda:1"), branch_batch=1, keep_bytes=0)
    assert all(places(network) == {"cuda"} for network in vars(on_cards.net).values())
    twice = np.tile(speech, 2)  # two windows, one for each card
    seen = []
    forward = norms.composed_group_norm

    def norm(x, *args):
        seen.append((x.device, cards.card))
        return forward(x, *args)

    monkeypatch.setattr(norms, "composed_group_norm", norm)
    np.testing.assert_allclose(frames(on_cards, portrait, twice), frames(engine, portrait, twice), atol=2e-3)
    # Triton launches its kernels on the current card, and must find its tensors there.
    assert {str(device) for device, _ in seen} == {"cuda:0", "cuda:1"}
    assert all(device == card for device, card in seen)


def test_decoding_in_tiles_in_half_precision_and_rife(cards, monkeypatch, model_folder, portrait, speech, wanted):
    engine = loaded(model_folder, torch.float16)
    monkeypatch.setattr(engine, "plan_memory", lambda *args: IN_TILES)
    made = frames(engine, portrait, speech, replace(ONCE, fps=25.0))
    assert made.shape == (13, *wanted.shape[1:])
    # Tiles change tones, and these weights are random.
    assert np.abs(made[:11:2] - wanted[: len(made[:11:2])]).mean() < 0.1


def test_approximations(cards, model_folder, portrait, speech):
    engine = loaded(model_folder)
    engine.approximations = replace(FAST, feature_reuse=2, guidance_refresh=2, skip_below=1e-6)
    settings = Settings(inference_steps=3, fps=12.5, fast=True, release_seed=True)
    conditions = engine.condition(portrait, speech, settings)
    previews = []
    latents = engine.sample(conditions, settings, lambda done, total, picture: previews.append(picture))
    assert latents.values.device.type == "cpu"
    assert latents.values.isfinite().all()
    assert isinstance(previews[-1], np.ndarray)


@pytest.mark.parametrize("kind", ["int8", "fp8"])
def test_weights_in_8_bits(cards, model_folder, portrait, speech, kind):
    engine = loaded(model_folder, torch.float16, devices=("cuda:0", "cuda:1"))
    store_in_eight_bits(engine.net.unet, kind, smallest=2**8)
    if kind == "fp8":
        assert sum(isinstance(module, Float8Linear) for module in engine.net.unet.modules()) > 20
    conditions = engine.condition(portrait, speech, ONCE)
    assert places(engine._replicas._unets()[1]) == {"cuda"}
    assert engine.sample(conditions, ONCE).values.isfinite().all()


def test_networks_leave_the_card_and_come_back(cards, monkeypatch, model_folder, portrait, speech, wanted):
    engine = loaded(model_folder, window_batch=2)
    alone = replace(IN_TILES, tile=None, decode_chunk=8, alone=True)
    monkeypatch.setattr(engine, "plan_memory", lambda *args: alone)
    conditions = engine.condition(portrait, speech, ONCE)
    assert places(engine.net.unet) == {"cpu"}
    latents = engine.sample(conditions, ONCE)
    assert (places(engine.net.unet), places(engine.net.vae), places(engine.net.speech)) == ({"cuda"}, {"cpu"}, {"cpu"})
    chunks = list(engine.decode(latents, ONCE).chunks())
    assert (places(engine.net.unet), places(engine.net.vae)) == ({"cpu"}, {"cuda"})
    np.testing.assert_allclose(np.concatenate(chunks), wanted, atol=2e-3)


def test_a_host_that_moves_the_networks_itself(cards, model_folder, portrait, speech, wanted):
    engine = loaded(model_folder, rest_device="cpu")
    for network in engine.networks("condition"):
        network.to("cuda")
    conditions = engine.condition(portrait, speech, ONCE)
    engine.net.unet.to("cuda")
    latents = engine.sample(conditions, ONCE)  # and the decoder is where conditioning left it
    np.testing.assert_allclose(np.concatenate(list(engine.decode(latents, ONCE).chunks())), wanted, atol=2e-3)


def test_seeds_draw_where_they_are_said_to(cards):
    ours, release = (draw(3, (4, 2, 2), 1, *rest) for draw, rest in ((start_noise, ()), (release_noise, (CUDA,))))
    assert (ours.device.type, release.device.type, release.dtype) == ("cpu", "cpu", torch.float32)


class TestThePlayedCard:
    """What a real card refuses, the played one refuses."""

    @pytest.fixture(autouse=True)
    def _cards(self, cards):
        self.here, self.there = torch.ones(2, 3), torch.ones(2, 3, device="cuda")

    def test_two_devices_do_not_meet(self):
        for mix in (
            lambda: self.here + self.there,
            lambda: torch.cat([self.here, self.there]),
            lambda: nn.Linear(3, 2).to("cuda")(self.here),
            lambda: self.there + torch.ones(2, 3, device="cuda:1"),
            lambda: self.here[torch.tensor([0], device="cuda")],
            lambda: self.there[torch.tensor([0], device="cuda:1")],
            lambda: self.there.lerp_(self.here, 0.5),
        ):
            with pytest.raises(RuntimeError, match="cuda"):
                mix()

    def test_what_may_cross(self):
        assert (self.there * torch.tensor(2.0)).device.type == "cuda"
        assert self.there[torch.tensor([1, 0])].sum() == 6
        assert (self.there.copy_(2 * self.here).cpu() == 2).all()
        assert self.here.to(self.there).device.type == "cuda"
        assert self.there.new_tensor([1.0]).device.type == self.there.new_zeros(2).device.type == "cuda"

    def test_arrays_and_generators_stay_at_home(self):
        with pytest.raises(RuntimeError, match="numpy"):
            np.asarray(self.there)
        with pytest.raises(RuntimeError, match="generator"):
            torch.randn(2, generator=torch.Generator(), device="cuda")

    def test_a_float8_product_has_the_sizes_of_a_card(self):
        odd = nn.Linear(24, 16, device="cuda").half()
        with pytest.raises(RuntimeError, match="multiples of 16"):
            Float8Linear(odd)(torch.ones(2, 24, device="cuda", dtype=torch.float16))
