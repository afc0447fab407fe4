"""The UNet on each device of a run, compiled if asked for.

Copies are made when first needed and kept. The first replica is the engine's own UNet, wherever it is.
"""

import copy

import torch

from sonic_core.engines.sonic import triton_norm
from sonic_core.engines.sonic.context import ClipContext, Tokens
from sonic_core.engines.sonic.denoiser import Network, Replica
from sonic_core.engines.sonic.options import COMPILE_FRAMES, Execution
from sonic_core.engines.sonic.unet import SonicUNet


class Replicas:
    """Makes the replicas of a run."""

    def __init__(self, unet: SonicUNet, execution: Execution) -> None:
        self._unet = unet
        self._execution = execution
        self._copies: dict[torch.device, SonicUNet] = {}
        self._compiled: dict[SonicUNet, Network] = {}

    def for_clip(self, tokens: Tokens, latent_size: tuple[int, int], window: int) -> list[Replica]:
        """One replica a device, each with the context of the clip."""
        compiled = self._compiles(len(tokens.audio))
        return [
            Replica(
                unet,
                self._compiled_network(unet) if compiled else unet.forward_cached,
                ClipContext(unet, tokens, latent_size, window, self._execution.keep_bytes),
                fixed_shapes=compiled,
            )
            for unet in self._unets()
        ]

    def _compiles(self, frames: int) -> bool:
        """Whether a clip of this many frames runs through the compiler."""
        if self._execution.compile is not None:
            return self._execution.compile
        on_cuda = self._unet.conv_in.weight.device.type == "cuda"
        return on_cuda and triton_norm.AVAILABLE and frames > COMPILE_FRAMES

    def _unets(self) -> list[SonicUNet]:
        own = self._unet.conv_in.weight
        others = [torch.device(name) for name in self._execution.devices[1:]]
        for device in others:
            if device != own.device and device not in self._copies:
                self._copies[device] = copy.deepcopy(self._unet).to(device)
        return [self._unet, *(self._copies.get(device, self._unet) for device in others)]

    def _compiled_network(self, unet: SonicUNet) -> Network:
        if unet not in self._compiled:
            self._compiled[unet] = torch.compile(unet.forward_cached, dynamic=False)
        return self._compiled[unet]
