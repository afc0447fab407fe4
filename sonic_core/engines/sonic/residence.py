"""Which networks stand on the device during a stage, when the engine itself is in charge of that.

A host such as ComfyUI moves networks itself; then this module moves nothing. On a CPU there is nothing to move.
"""

from collections.abc import Sequence

import torch
from torch import nn


class Residence:
    """Brings the networks of a stage to the device and, when room is short, sends the others to main memory."""

    def __init__(self, networks: Sequence[nn.Module], device: torch.device, in_charge: bool) -> None:
        self._networks = networks
        self._device = device
        self.in_charge = in_charge and device.type != "cpu"

    def settle(self, needed: Sequence[nn.Module], alone: bool) -> None:
        """Put `needed` on the device; `alone`: everything else leaves it first."""
        if not self.in_charge:
            return
        if alone:
            for network in self._networks:
                if not any(network is other for other in needed):
                    network.to("cpu")
        for network in needed:
            network.to(self._device)
