"""Runs the UNet through `torch.compile`, or without it where that fails: a machine may lack the compiler it needs."""

import logging

import torch
from torch import Tensor

from sonic_core.engines.sonic.denoiser import Network
from sonic_core.engines.sonic.unet import Context

logger = logging.getLogger(__name__)


class CompiledNetwork:
    """A network that is compiled by its first call, which takes a minute or two."""

    def __init__(self, network: Network) -> None:
        self._plain = network
        self._compiled: Network | None = torch.compile(network, dynamic=False)

    def __call__(
        self, latents: Tensor, timestep: Tensor, scalars: Tensor, context: Context, deep: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """See `denoiser.Network`."""
        if self._compiled is not None:
            try:
                return self._compiled(latents, timestep, scalars, context, deep)
            except torch.cuda.OutOfMemoryError:
                raise
            except RuntimeError as error:  # the base of all the compiler's errors
                logger.warning("the UNet runs without torch.compile: %s", str(error).strip().splitlines()[0])
                self._compiled = None
        return self._plain(latents, timestep, scalars, context, deep)
