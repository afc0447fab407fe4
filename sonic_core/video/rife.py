"""IFNet HDv3, the frame interpolation network of RIFE: two frames -> the one in the middle.

Coarse to fine, three blocks refine the flow from both frames to the middle and the mask that chooses between them.
Every block also sees the pair in reverse, so the result does not depend on which frame comes first.
Huang et al. 2022, "Real-Time Intermediate Flow Estimation" (arXiv 2011.06294).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sonic_core.errors import ModelError
from sonic_core.weights.read import load_into

SCALES = (4, 2, 1)
MULTIPLE = 32
"""Sides must be multiples of this inside: four times halved twice and resized by 4."""


class IFNet(nn.Module):
    """The network; module names give the published keys without their `module.` prefix."""

    def __init__(self, channels: int = 90, half: int = 45) -> None:
        super().__init__()
        for index in range(len(SCALES)):
            self.add_module(f"block{index}", FlowBlock(channels, half))

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "IFNet":
        """Build from the tensors of `RIFE/flownet.pkl`; `block_tea`, a training aid, is left out.

        Raises:
            ModelError: the tensors are of another version of the network.
        """
        own = {k.removeprefix("module."): v for k, v in state.items() if "block_tea." not in k}
        weight = own.get("block0.conv0.1.0.weight")
        if weight is None:
            raise ModelError("RIFE/flownet.pkl is not an IFNet HDv3 file; take the flownet.pkl of the Sonic release")
        with torch.device("meta"):
            network = cls(*weight.shape[:2])
        load_into(network, own, "RIFE/flownet.pkl")
        return network

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(b, 3, h, w) frames in [0, 1], sides multiples of 32 -> (b, 3, h, w) the frame between them."""
        batch, _, height, width = first.shape
        flow = first.new_zeros(batch, 4, height, width)  # to the first frame, to the second
        mask = first.new_zeros(batch, 1, height, width)
        warped = first, second
        for index, scale in enumerate(SCALES):
            block = self.get_submodule(f"block{index}")
            flow_a, mask_a = block(torch.cat([*warped, mask], 1), flow, scale)
            flow_b, mask_b = block(torch.cat([*reversed(warped), -mask], 1), _swap(flow), scale)
            flow = flow + (flow_a + _swap(flow_b)) / 2
            mask = mask + (mask_a - mask_b) / 2
            warped = warp(first, flow[:, :2]), warp(second, flow[:, 2:])
        return torch.lerp(warped[1], warped[0], mask.sigmoid())


class FlowBlock(nn.Module):
    """One refinement of flow and mask at one scale."""

    def __init__(self, channels: int, half: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_conv(11, half, stride=2), _conv(half, channels, stride=2))
        for index in range(4):
            pair = nn.Sequential(_conv(channels, channels), _conv(channels, channels))
            self.add_module(f"convblock{index}", pair)
        self.conv1 = _head(channels, half, 4)
        self.conv2 = _head(channels, half, 1)

    def forward(self, x: Tensor, flow: Tensor, scale: int) -> tuple[Tensor, Tensor]:
        """(b, 7, h, w) warped frames and mask, (b, 4, h, w) flow -> changes of flow and mask."""
        x = torch.cat([_resize(x, 1 / scale), _resize(flow, 1 / scale) / scale], 1)
        x = self.conv0(x)
        for index in range(4):
            x = x + self.get_submodule(f"convblock{index}")(x)
        return _resize(self.conv1(x), scale) * scale, _resize(self.conv2(x), scale)


def warp(frame: Tensor, flow: Tensor) -> Tensor:
    """`frame` (b, c, h, w) sampled where `flow` (b, 2, h, w; x, y in pixels) points; the edge is repeated beyond it."""
    height, width = frame.shape[-2:]
    y = torch.linspace(-1, 1, height, device=frame.device, dtype=frame.dtype)[:, None].expand(height, width)
    x = torch.linspace(-1, 1, width, device=frame.device, dtype=frame.dtype).expand(height, width)
    step = flow.new_tensor([2 / (width - 1), 2 / (height - 1)])
    grid = torch.stack([x, y], -1) + flow.permute(0, 2, 3, 1) * step
    return F.grid_sample(frame, grid, mode="bilinear", padding_mode="border", align_corners=True)


@torch.inference_mode()
def middle_frames(network: IFNet, first: Tensor, second: Tensor) -> Tensor:
    """The frames half way between pairs, of any size: (b, 3, h, w) in [0, 1], twice -> (b, 3, h, w)."""
    height, width = first.shape[-2:]
    padding = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
    weight = network.get_parameter("block0.conv0.0.0.weight")
    pair = (F.pad(x.to(weight), padding) for x in (first, second))
    return network(*pair)[..., :height, :width].clamp(0, 1).to(first)


def _conv(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride, padding=1), nn.PReLU(out))


def _head(channels: int, half: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(channels, half, 4, 2, padding=1),
        nn.PReLU(half),
        nn.ConvTranspose2d(half, out, 4, 2, padding=1),
    )


def _resize(x: Tensor, scale: float) -> Tensor:
    return x if scale == 1 else F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)


def _swap(flow: Tensor) -> Tensor:
    return torch.cat([flow[:, 2:], flow[:, :2]], 1)
