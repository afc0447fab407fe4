"""Networks come to the device when a stage needs them and leave when room is short."""

import torch
from torch import nn

from sonic_core.engines.sonic.residence import Residence

CUDA = torch.device("cuda")


class Recorded(nn.Module):
    """Remembers where it was sent; there is no second device here."""

    def __init__(self):
        super().__init__()
        self.place = "cuda"

    def to(self, device):
        self.place = str(device)
        return self


def settled(device, in_charge, alone):
    unet, vae, clip = networks = [Recorded() for _ in range(3)]
    Residence(networks, device, in_charge).settle([vae, clip], alone)
    return [network.place for network in (unet, vae, clip)]


def test_the_others_leave_when_room_is_short():
    assert settled(CUDA, True, alone=True) == ["cpu", "cuda", "cuda"]
    assert settled(CUDA, True, alone=False) == ["cuda"] * 3


def test_a_stage_brings_back_what_an_earlier_one_sent_away():
    unet, vae = networks = [Recorded(), Recorded()]
    residence = Residence(networks, CUDA, in_charge=True)
    residence.settle([unet], alone=True)
    assert (unet.place, vae.place) == ("cuda", "cpu")
    residence.settle([vae], alone=False)
    assert (unet.place, vae.place) == ("cuda", "cuda")


def test_nothing_moves_for_a_host_or_on_a_cpu():
    assert settled(CUDA, False, alone=True) == ["cuda"] * 3
    assert settled(torch.device("cpu"), True, alone=True) == ["cuda"] * 3
