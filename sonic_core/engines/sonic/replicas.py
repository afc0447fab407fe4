"""The UNet on each device of a run, compiled or recorded where that pays.

Copies are made when first needed and kept. The first replica is the engine's own UNet, wherever it is.
"""

import copy
import math

import torch

from sonic_core.engines.sonic import triton_norm
from sonic_core.engines.sonic.compiled import CompiledNetwork
from sonic_core.engines.sonic.context import ClipContext, Tokens
from sonic_core.engines.sonic.denoiser import Network, Replica
from sonic_core.engines.sonic.graphs import GraphedNetwork
from sonic_core.engines.sonic.options import COMPILE_FRAMES, GRAPH_PIXELS, Execution
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
        if self._on_cuda():
            triton_norm.check(self._unet.conv_in.weight.device)
        compiled = self._compiles(len(tokens.audio))
        graphed = not compiled and self._on_cuda() and self._execution.graphs is not False
        return [
            Replica(
                unet,
                self._network(unet, compiled, graphed),
                ClipContext(unet, tokens, latent_size, window, self._execution.keep_bytes),
                fixed_shapes=compiled,
            )
            for unet in self._unets()
        ]

    def _compiles(self, frames: int) -> bool:
        """Whether a clip of this many frames runs through the compiler."""
        if self._execution.compile is not None:
            return self._execution.compile
        return self._on_cuda() and triton_norm.AVAILABLE and frames > COMPILE_FRAMES

    def _on_cuda(self) -> bool:
        return self._unet.conv_in.weight.device.type == "cuda"

    def _unets(self) -> list[SonicUNet]:
        own = self._unet.conv_in.weight
        others = [torch.device(name) for name in self._execution.devices[1:]]
        for device in others:
            if device != own.device and device not in self._copies:
                self._copies[device] = copy.deepcopy(self._unet).to(device)
        return [self._unet, *(self._copies.get(device, self._unet) for device in others)]

    def _network(self, unet: SonicUNet, compiled: bool, graphed: bool) -> Network:
        if graphed:  # made anew for every clip: a graph goes wrong when the weights have moved, and holds memory
            return GraphedNetwork(unet.forward_cached, math.inf if self._execution.graphs else GRAPH_PIXELS)
        if not compiled:
            return unet.forward_cached
        if unet not in self._compiled:
            self._compiled[unet] = CompiledNetwork(unet.forward_cached)
        return self._compiled[unet]
