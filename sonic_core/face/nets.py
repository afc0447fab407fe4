"""The face networks: plain convolutions, small enough for two CPU cores.

This module knows tensors only: no images, boxes or files. Pixels come in as (n, 3, h, w) in [0, 1]; `detect.py`
prepares them and reads the answers. Every convolution has a batch norm in training; `fuse` folds it away for inference.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

LANDMARKS = 478
LANDMARK_INPUT = 128
DETECTOR_STRIDE = 8
REGION_INPUT = 48
IDENTITY_INPUT = 96
IDENTITY_SIZE = 64


class ConvNorm(nn.Module):
    """Convolution, batch norm, optional ReLU. `fuse` turns the norm into part of the convolution."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, active: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return torch.relu_(x) if self.active else x


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.second = ConvNorm(channels, channels, active=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


def fuse(net: nn.Module) -> nn.Module:
    """Fold every batch norm into its convolution; the net must be in eval mode. Returns the same net."""
    for module in net.modules():
        if isinstance(module, ConvNorm) and isinstance(module.norm, nn.BatchNorm2d):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            module.norm = nn.Identity()
    return net


class LandmarkNet(nn.Module):
    """478 landmarks and a face-or-not logit from an upright, centred face crop.

    Coordinates are in crop units: x and y run from -1 to 1 over the crop, z has the same scale, smaller is nearer.
    The last layer starts as the principal components of the training shapes, so that even the first guesses are faces.
    """

    def __init__(self, components: int = 96) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            ConvNorm(3, 16, stride=2),  # 64
            ConvNorm(16, 32, stride=2),  # 32
            ConvNorm(32, 48, stride=2),  # 16
            Residual(48),
            ConvNorm(48, 96, stride=2),  # 8
            Residual(96),
            Residual(96),
            ConvNorm(96, 144, stride=2),  # 4
        )
        self.hidden = nn.Linear(144 * 16, 256)
        self.coefficients = nn.Linear(256, components)
        self.shape = nn.Linear(components, LANDMARKS * 3)
        self.presence = nn.Linear(256, 1)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, 128, 128) in [0, 1] -> landmarks (n, 478, 3), presence logit (n,)."""
        hidden = torch.relu(self.hidden(self.trunk(pixels * 4 - 2).flatten(1)))
        points = self.shape(self.coefficients(hidden)).reshape(-1, LANDMARKS, 3)
        return points, self.presence(hidden)[:, 0]


class DetectorNet(nn.Module):
    """Where faces are: for every 8 x 8 px cell a presence logit, the log of the face's size, and three keypoints.

    Size is the geometric mean of the landmark box's sides, in cells. Keypoints (right eye, left eye, mouth) are offsets
    from the cell's centre in units of that size. Three scales are combined, for faces from 15 px to the whole picture.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            ConvNorm(3, 16, stride=2), ConvNorm(16, 24, stride=2), ConvNorm(24, 40, stride=2), Residual(40)
        )
        self.middle = nn.Sequential(ConvNorm(40, 64, stride=2), Residual(64))
        self.coarse = nn.Sequential(ConvNorm(64, 96, stride=2), Residual(96), Residual(96))
        self.from_coarse = ConvNorm(96, 64, kernel=1, active=False)
        self.from_middle = ConvNorm(64, 40, kernel=1, active=False)
        self.blend = ConvNorm(40, 48)
        self.head = nn.Conv2d(48, 8, 1)
        nn.init.constant_(self.head.bias[:1], -4.0)  # faces are rare

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, 3, h, w) in [0, 1], sides multiples of 32 -> (n, 8, h / 8, w / 8): logit, log size, 3 x (x, y)."""
        fine = self.fine(pixels * 4 - 2)
        middle = self.middle(fine)
        middle = torch.relu(middle + _double(self.from_coarse(self.coarse(middle))))
        return self.head(self.blend(torch.relu(fine + _double(self.from_middle(middle)))))


def _double(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


class IdentityNet(nn.Module):
    """A 64-number description of who is seen in an upright, centred face crop."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            ConvNorm(3, 16, stride=2),  # 48
            ConvNorm(16, 32, stride=2),  # 24
            ConvNorm(32, 64, stride=2),  # 12
            Residual(64),
            ConvNorm(64, 96, stride=2),  # 6
            Residual(96),
            ConvNorm(96, 128, stride=2),  # 3
        )
        self.embedding = nn.Linear(128 * 9, IDENTITY_SIZE)

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, 3, 96, 96) in [0, 1] -> (n, 64), unit length."""
        return nn.functional.normalize(self.embedding(self.trunk(pixels * 4 - 2).flatten(1)), dim=1)


class RegionNet(nn.Module):
    """Fine positions of the points of one region (the lips, an eye) from a close, upright crop of it."""

    def __init__(self, points: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            ConvNorm(3, 16, stride=2),  # 24
            ConvNorm(16, 32, stride=2),  # 12
            Residual(32),
            ConvNorm(32, 64, stride=2),  # 6
            Residual(64),
            ConvNorm(64, 96, stride=2),  # 3
        )
        self.hidden = nn.Linear(96 * 9, 160)
        self.points = nn.Linear(160, points * 2)

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, 3, 48, 48) in [0, 1] -> (n, points, 2) in crop units, -1 to 1."""
        hidden = torch.relu(self.hidden(self.trunk(pixels * 4 - 2).flatten(1)))
        return self.points(hidden).reshape(len(pixels), -1, 2)


class CoverNet(nn.Module):
    """Logits that a mouth is hidden, that glasses are dark, and that glasses are worn, from an upright crop."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            ConvNorm(3, 12, stride=2),  # 32
            ConvNorm(12, 24, stride=2),  # 16
            ConvNorm(24, 48, stride=2),  # 8
            ConvNorm(48, 64, stride=2),  # 4
        )
        self.answer = nn.Linear(64 * 16, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, 3, 64, 64) in [0, 1] -> (n, 3)."""
        return self.answer(self.trunk(pixels * 4 - 2).flatten(1))
