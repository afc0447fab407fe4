"""The sampler's denoise function: windows of a clip through one or several UNets.

A call gets all windows of a step. They do not depend on each other, so they are batched and spread over devices; the
result is the same to rounding. Features kept between steps (`reuse`) make it approximate, and only they do.
"""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from sonic_core.engines.sonic import triton_norm
from sonic_core.engines.sonic.context import UNCONDITIONED, ClipContext
from sonic_core.engines.sonic.unet import Context, SonicUNet
from sonic_core.errors import ModelError
from sonic_core.sampling.schedule import v_scalings
from sonic_core.sampling.windows import merge_windows

Network = Callable[[Tensor, Tensor, Tensor, Context, Tensor | None], tuple[Tensor, Tensor]]
"""`SonicUNet.forward_cached`, or that compiled."""


@dataclass(frozen=True)
class Replica:
    """One UNet with the context of the clip on its device.

    `fixed_shapes`: all calls get the same number of windows, because new shapes would start the compiler again.
    """

    unet: SonicUNet
    network: Network
    context: ClipContext
    fixed_shapes: bool = False

    @property
    def weight(self) -> Tensor:
        """A tensor on the device and in the dtype of the network."""
        return self.unet.conv_in.weight


@dataclass(frozen=True)
class FrameConditions:
    """What every frame is given beside the tokens; on the CPU."""

    image: Tensor  # (4, h, w) unscaled latent of the portrait
    buckets: Tensor  # (n, 2) head translation, expression; already scaled by the user's knobs
    fps: float


class FeatureCache:
    """Deep features of every frame and branch, averaged over the windows they were made in.

    They replace those of the `reuse` - 1 steps that follow. They stay on the device if they take at most `keep_bytes`
    there, and wait in main memory otherwise.
    """

    def __init__(self, frames: int, reuse: int, keep_bytes: int) -> None:
        self.frames, self.reuse, self.keep_bytes = frames, reuse, keep_bytes
        self._kept: dict[int, Tensor] = {}
        self._steps = 0
        self._using = False

    def begin_step(self, branches: tuple[int, ...]) -> None:
        """Decide whether this step computes or uses features."""
        known = all(branch in self._kept for branch in branches)
        self._using = known and self._steps % self.reuse != 0
        self._steps += 1

    @property
    def using(self) -> bool:
        return self._using

    def get(self, frames: Tensor, branches: tuple[int, ...], weight: Tensor) -> Tensor:
        """Features of windows (w, f), branch after branch: (b * w, f, c, h, w)."""
        windows = [self._kept[branch][frames.to(self._kept[branch].device)] for branch in branches]
        return torch.cat(windows).to(weight)

    def put(self, parts: list[Tensor], frames: Tensor, branches: tuple[int, ...]) -> None:
        """Keep what a step made: parts (b, w_i, f, c, h, w) that together cover the windows (w, f)."""
        size = sum(part.numel() * part.element_size() for part in parts)
        device = parts[0].device if size <= self.keep_bytes else torch.device("cpu")
        features = torch.cat([part.to(device) for part in parts], dim=1)
        for branch, values in zip(branches, features, strict=True):
            self._kept[branch] = merge_windows(values, frames, self.frames)


class WindowDenoiser:
    """Implements `sampling.Denoise` for the UNet."""

    def __init__(
        self,
        replicas: list[Replica],
        conditions: FrameConditions,
        window_batch: int = 1,
        cache: FeatureCache | None = None,
        on_batch: Callable[[int], None] | None = None,
        branch_batch: int | None = None,
    ) -> None:
        """`branch_batch`: branches computed at once, None for all. Fewer take less memory and cost no more work.

        `on_batch(windows done)` is called after each batch, from the caller's thread; raising from it cancels.
        """
        self._replicas = replicas
        self._conditions = conditions
        self._window_batch = window_batch
        self._branch_batch = branch_batch
        self._cache = cache
        self._on_batch = on_batch

    def __call__(self, noisy: Tensor, sigma: float, frames: Tensor, branches: tuple[int, ...]) -> Tensor:
        """See `sampling.Denoise`: (w, f, 4, h, w) -> (b, w, f, 4, h, w)."""
        if self._cache is not None:
            self._cache.begin_step(branches)
        size = min(self._window_batch, -(-len(frames) // len(self._replicas)))  # windows for every replica
        batches = [slice(start, start + size) for start in range(0, len(frames), size)]
        if len(self._replicas) == 1:
            results = [
                self._finish(self._denoise(self._replicas[0], noisy[b], sigma, frames[b], branches, size), frames[b])
                for b in batches
            ]
        else:
            results = self._spread(batches, noisy, sigma, frames, branches, size)
        if self._cache is not None and not self._cache.using:
            self._cache.put([deep for _, deep in results], frames, branches)
        return torch.cat([denoised.to(noisy.device) for denoised, _ in results], dim=1)

    def _spread(
        self, batches: list[slice], noisy: Tensor, sigma: float, frames: Tensor, branches: tuple[int, ...], size: int
    ) -> list[tuple[Tensor, Tensor]]:
        """Deal the batches out to the replicas in turn; each replica works in a thread of its own."""
        pools = [ThreadPoolExecutor(max_workers=1) for _ in self._replicas]
        try:
            futures = [
                pool.submit(self._denoise, replica, noisy[b], sigma, frames[b], branches, size)
                for pool, replica, b in zip(itertools.cycle(pools), itertools.cycle(self._replicas), batches)
            ]
            return [self._finish(future.result(), frames[b]) for future, b in zip(futures, batches, strict=True)]
        finally:
            for pool in pools:
                pool.shutdown(cancel_futures=True)

    def _finish(self, result: tuple[Tensor, Tensor], frames: Tensor) -> tuple[Tensor, Tensor]:
        if self._on_batch is not None:
            self._on_batch(len(frames))
        return result

    def _denoise(
        self, replica: Replica, noisy: Tensor, sigma: float, frames: Tensor, branches: tuple[int, ...], size: int
    ) -> tuple[Tensor, Tensor]:
        """Denoise noisy (w, f, 4, h, w) to (b, w, f, 4, h, w), with the deep features (b, w, f, c, ...).

        `size` windows make a whole batch, and `w` of them are here.
        """
        count, missing = len(frames), size - len(frames)
        if replica.fixed_shapes and missing > 0:  # the last batch of a step is filled up by repeating its last window
            frames, noisy = (torch.cat([x, x[-1:].expand(missing, *x.shape[1:])]) for x in (frames, noisy))
        together = self._branch_batch or len(branches)
        groups = [branches[start : start + together] for start in range(0, len(branches), together)]
        results = [self._call(replica, noisy, sigma, frames, group) for group in groups]
        denoised, deep = results[0] if len(results) == 1 else map(torch.cat, zip(*results, strict=True))
        return denoised[:, :count], deep[:, :count]

    @torch.inference_mode()
    def _call(
        self, replica: Replica, noisy: Tensor, sigma: float, frames: Tensor, branches: tuple[int, ...]
    ) -> tuple[Tensor, Tensor]:
        """One call of the UNet; shapes as `_denoise`."""
        weight = replica.weight
        scale = v_scalings(sigma)
        count = len(branches)
        image = self._conditions.image.expand_as(noisy).to(weight)
        images = [torch.zeros_like(image) if branch == UNCONDITIONED else image for branch in branches]
        scaled = (noisy * scale.input).to(weight)
        inputs = torch.cat([scaled.repeat(count, 1, 1, 1, 1), torch.cat(images)], dim=2)
        timestep = torch.tensor([scale.noise], device=weight.device)
        context = replica.context.of_windows(frames, branches)
        using = self._cache is not None and self._cache.using
        deep = self._cache.get(frames, branches, weight) if using and self._cache is not None else None
        scalars = self._scalars(frames, weight).repeat(count, 1)
        with triton_norm.current(weight.device):
            v, deep = replica.network(inputs, timestep, scalars, context, deep)
        v = v.float().unflatten(0, (count, -1))
        if not torch.isfinite(v).all():
            raise ModelError(f"the UNet overflowed in {weight.dtype}; load the model in bfloat16 or float32")
        return scale.skip * noisy.to(v) + scale.output * v, deep.unflatten(0, (count, -1))

    def _scalars(self, frames: Tensor, weight: Tensor) -> Tensor:
        """fps and the mean buckets of each window: (w, 3) float32 on the device of `weight`."""
        buckets = self._conditions.buckets[frames].mean(dim=1)
        fps = torch.full_like(buckets[:, :1], self._conditions.fps)
        return torch.cat([fps, buckets], dim=1).to(weight.device)
