"""The network that tells a person from the background: MediaPipe's selfie segmentation, written in torch.

A MobileNetV3 down to 16 x 16 cells, and a decoder that lets each finer layer in as far as the coarser one finds it
useful. Knows tensors only. Its weights are Google's, under the Apache licence (weights/LICENSE-mediapipe.txt);
`training/matting/selfie.py` reads them from the published file.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

INPUT = 256


def pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros round x as TensorFlow's SAME padding puts them: with stride 2 one more at the right and the bottom."""
    total = kernel - stride if stride > 1 else kernel - 1
    before = total // 2
    return functional.pad(x, (before, total - before, before, total - before))


class Conv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        return super().forward(pad_same(x, kernel, stride) if kernel > 1 else x)


class Gate(nn.Module):
    """How much of each channel passes, from the mean of the picture: (n, c, h, w) -> (n, c, 1, 1) in [0, 1]."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze, self.excite = Conv(channels, hidden), Conv(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))


class Bottleneck(nn.Module):
    """MobileNetV3's block: more channels, a convolution in each of them, a gate, and back to few channels."""

    def __init__(
        self, inputs: int, hidden: int, outputs: int, kernel: int, stride: int, gate: int = 0, hard: bool = True
    ) -> None:
        super().__init__()
        self.expand = Conv(inputs, hidden)
        self.depthwise = Conv(hidden, hidden, kernel, stride, groups=hidden)
        self.gate = Gate(hidden, gate) if gate else None
        self.project = Conv(hidden, outputs)
        self.active = functional.hardswish if hard else torch.relu
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.active(self.depthwise(self.active(self.expand(x))))
        if self.gate is not None:
            hidden = hidden * self.gate(hidden)
        return self.project(hidden) + x if self.is_residual else self.project(hidden)


class Head(nn.Module):
    """The coarsest answer, weighed by what is in the picture as a whole."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv, self.weigh = Conv(inputs, outputs), Conv(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x)) * torch.sigmoid(self.weigh(x.mean((2, 3), keepdim=True)))


class Decoder(nn.Module):
    """One step to twice the resolution: the coarse answer enlarged, and of the finer layer what fits to it."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.narrow, self.gate = Conv(coarse, fine), Gate(fine, fine)
        self.conv, self.depthwise = Conv(fine, fine), Conv(fine, fine, 3, groups=fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        enlarged = functional.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
        enlarged = self.narrow(enlarged)
        x = torch.relu(self.conv(fine * self.gate(fine + enlarged) + enlarged))
        return x + torch.relu(self.depthwise(x))


class SelfieNet(nn.Module):
    """How sure each pixel is the person's. Modules stand in the order in which the published file computes them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, 16, 3, 2)  # 128
        self.finest = Bottleneck(16, 16, 16, 3, 2, gate=8, hard=False)  # 64
        self.fine = nn.Sequential(
            Bottleneck(16, 72, 24, 3, 2, hard=False), Bottleneck(24, 88, 24, 3, 1, hard=False)
        )  # 32
        self.coarse = nn.Sequential(
            Bottleneck(24, 96, 32, 5, 2, gate=24),  # 16
            Bottleneck(32, 128, 32, 5, 1, gate=32),
            Bottleneck(32, 128, 32, 5, 1, gate=32),
            Bottleneck(32, 96, 32, 5, 1, gate=24),
            Bottleneck(32, 96, 32, 5, 1, gate=24),
        )
        self.head = Head(32, 128)
        self.decoders = nn.ModuleList([Decoder(128, 24), Decoder(24, 16), Decoder(16, 16)])
        self.answer = nn.ConvTranspose2d(16, 1, 2, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, 3, 256, 256) in [0, 1] -> (n, 1, 256, 256) in [0, 1]."""
        stem = functional.hardswish(self.stem(pixels))
        finest = self.finest(stem)
        fine = self.fine(finest)
        x = self.head(self.coarse(fine))
        for decoder, layer in zip(self.decoders, (fine, finest, stem), strict=True):
            x = decoder(x, layer)
        return torch.sigmoid(self.answer(x))
