"""Speech features to the conditions of a frame: audio tokens and motion buckets.

Features are the hidden states of a speech encoder at 50 Hz, (rows, layers, width); frames are the model's, one for
every four rows. The two networks read their sizes from their tensors and do not know which encoder made the features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sonic_core.errors import ModelError
from sonic_core.weights.read import load_into

SAMPLES_PER_ROW = 320
ROWS_PER_FRAME = 4

TOKEN_WINDOW, TOKEN_PADDING = 10, (4, 6)
BUCKET_WINDOW, BUCKET_PADDING = 50, (24, 26)


def frame_count(samples: int) -> int:
    """Frames the model makes for this much speech at 16 kHz: one for every two 25 fps frames that fit whole."""
    return samples // 640 // 2


def feature_rows(samples: int) -> int:
    """Feature rows that belong to this much speech; an encoder that pads gives more."""
    return samples // 640 * 2


def pad_rows(features: Tensor, padding: tuple[int, int]) -> Tensor:
    """Put zero rows before and after: (rows, ...) -> (before + rows + after, ...)."""
    before, after = (features.new_zeros(size, *features.shape[1:]) for size in padding)
    return torch.cat([before, features, after])


def frame_windows(features: Tensor, padding: tuple[int, int], window: int, frames: int) -> Tensor:
    """Cut the rows each frame sees: (rows, layers, width) -> (frames, window, layers, width)."""
    padded = pad_rows(features, padding)
    starts = ROWS_PER_FRAME * torch.arange(frames, device=features.device)
    return padded[starts[:, None] + torch.arange(window, device=features.device)]


class AudioToToken(nn.Module):
    """Window of features -> context tokens of a frame (the published `audio2token`)."""

    def __init__(self, inputs: int, hidden: int, tokens: int, width: int) -> None:
        super().__init__()
        self.tokens, self.width = tokens, width
        self.proj1 = nn.Linear(inputs, hidden)
        self.proj2 = nn.Linear(hidden, hidden)
        self.proj3 = nn.Linear(hidden, tokens * width)
        self.norm = nn.LayerNorm(width)

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "AudioToToken":
        """Build with the sizes of the tensors. Raises ModelError when they are others."""
        _require(state, "audio2token.pth", "proj1.weight", "proj3.bias", "norm.weight")
        (hidden, inputs), width = state["proj1.weight"].shape, len(state["norm.weight"])
        with torch.device("meta"):
            network = cls(inputs, hidden, len(state["proj3.bias"]) // width, width)
        load_into(network, state, "audio2token.pth")
        return network

    @property
    def feature_size(self) -> int:
        """Layers x width of the features it was trained on."""
        return self.proj1.in_features // TOKEN_WINDOW

    def forward(self, windows: Tensor) -> Tensor:
        """(n, 10, layers, width) -> (n, tokens, width of the context)."""
        x = F.relu(self.proj1(windows.flatten(1)))
        x = F.relu(self.proj2(x))
        return self.norm(self.proj3(x).view(-1, self.tokens, self.width))

    def silence(self) -> Tensor:
        """The unconditional tokens, those of an all-zero window: (tokens, width)."""
        weight = self.proj1.weight
        return self(torch.zeros(1, self.proj1.in_features, device=weight.device, dtype=weight.dtype))[0]


class AudioToBucket(nn.Module):
    """Window of features and face embedding -> motion buckets of a frame (the published `audio2bucket`)."""

    def __init__(self, inputs: int, hidden: int, buckets: int) -> None:
        super().__init__()
        self.proj1 = nn.Linear(inputs, hidden)
        self.proj2 = nn.Linear(hidden, hidden)
        self.proj3 = nn.Linear(hidden, buckets)

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "AudioToBucket":
        """Build with the sizes of the tensors. Raises ModelError when they are others."""
        _require(state, "audio2bucket.pth", "proj1.weight", "proj3.bias")
        hidden, inputs = state["proj1.weight"].shape
        with torch.device("meta"):
            network = cls(inputs, hidden, len(state["proj3.bias"]))
        load_into(network, state, "audio2bucket.pth")
        return network

    def feature_size(self, embedding: int) -> int:
        """Width of the features it was trained on, given that of the face embedding."""
        return (self.proj1.in_features - embedding) // BUCKET_WINDOW

    def forward(self, windows: Tensor, face: Tensor) -> Tensor:
        """(n, 50, 1, width) and (d,) -> (n, 2): head translation, expression; about 0 to 32."""
        x = torch.cat([windows.flatten(1), face.expand(len(windows), -1)], dim=1)
        x = F.silu(self.proj1(x))
        x = F.silu(self.proj2(x))
        return self.proj3(x) * 16 + 16


def _require(state: dict[str, Tensor], file: str, *names: str) -> None:
    for name in names:
        if name not in state:
            raise ModelError(f"{file} does not fit: it lacks {name!r}; take the file of the release")


def check_widths(tokens: AudioToToken, buckets: AudioToBucket, layers: int, width: int, embedding: int) -> None:
    """Check that both networks were made for this speech encoder.

    Raises:
        ModelError: with the sizes of both sides.
    """
    if tokens.feature_size != layers * width:
        raise ModelError(
            f"audio2token expects {tokens.feature_size} features a row, the speech encoder gives "
            f"{layers} x {width}: use the speech encoder this bundle was trained with (see bundle.json)"
        )
    if buckets.feature_size(embedding) != width:
        raise ModelError(
            f"audio2bucket expects {buckets.feature_size(embedding)} features a row, the speech encoder gives "
            f"{width}: use the speech encoder this bundle was trained with (see bundle.json)"
        )


@torch.inference_mode()
def conditions(
    features: Tensor, samples: int, tokens: AudioToToken, buckets: AudioToBucket, face: Tensor
) -> tuple[Tensor, Tensor]:
    """Tokens and buckets of every frame.

    Args:
        features: (rows, layers, width) at 50 Hz, rows past the speech included or not.
        samples: length of the speech at 16 kHz.
        tokens: the token network.
        buckets: the bucket network.
        face: (d,) embedding of the portrait.

    Returns:
        (n, t, d) tokens and (n, 2) buckets.
    """
    frames, rows = frame_count(samples), feature_rows(samples)
    own = features[:rows]
    if len(own) < rows:
        own = pad_rows(own, (0, rows - len(own)))
    token_windows = frame_windows(own, TOKEN_PADDING, TOKEN_WINDOW, frames)
    bucket_windows = frame_windows(own[:, -1:], BUCKET_PADDING, BUCKET_WINDOW, frames)
    return (
        torch.cat([tokens(part) for part in token_windows.split(256)]),
        torch.cat([buckets(part, face) for part in bucket_windows.split(256)]),
    )
