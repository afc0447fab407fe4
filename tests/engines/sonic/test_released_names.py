"""At full width the networks have exactly the names and shapes of the released files (no weights are made)."""

import json
from pathlib import Path

import pytest
import torch

from sonic_core.engines.sonic.config import UNetConfig
from sonic_core.engines.sonic.unet import SonicUNet
from sonic_core.speech.tokens import BUCKET_WINDOW, TOKEN_WINDOW, AudioToBucket, AudioToToken
from sonic_core.video.rife import IFNet

NETWORKS = {
    "unet.pth": lambda: SonicUNet(UNetConfig()),
    "audio2token.pth": lambda: AudioToToken(TOKEN_WINDOW * 5 * 384, 1024, 32, 1024),
    "audio2bucket.pth": lambda: AudioToBucket(BUCKET_WINDOW * 384 + 1024, 1024, 2),
    "RIFE/flownet.pkl": lambda: IFNet(),
}


def released(file: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a released file; nested in the committed copy to keep it small."""
    tree = json.loads((Path(__file__).parent / "released_names.json").read_text())[file]
    return dict(flat(tree, ""))


def flat(tree, prefix):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, tuple(int(size) for size in value.split("x"))


@pytest.mark.parametrize("file", NETWORKS)
def test_names_and_shapes_are_the_released_ones(file):
    with torch.device("meta"):
        ours = {name: tuple(value.shape) for name, value in NETWORKS[file]().state_dict().items()}
    expected = released(file)
    if file == "RIFE/flownet.pkl":  # block_tea, a training aid, is in the file and not in our network
        expected = {k.removeprefix("module."): v for k, v in expected.items() if "block_tea" not in k}
    assert ours == expected


def test_the_copy_is_whole():
    counts = {file: len(released(file)) for file in NETWORKS}
    assert counts == {"unet.pth": 1492, "audio2token.pth": 8, "audio2bucket.pth": 6, "RIFE/flownet.pkl": 160}
