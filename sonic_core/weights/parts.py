"""The weights of one network in a folder of diffusers or transformers: one file or shards, whole or half precision."""

import json
from pathlib import Path

from torch import Tensor

from sonic_core.errors import ModelError
from sonic_core.weights.read import read_tensors

STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
VARIANTS = ("", ".fp16")


def find_weights(folder: Path) -> list[Path]:
    """The files that together hold the weights: safetensors before `.bin`, one file before shards; empty if none.

    Raises:
        ModelError: the index of the shards cannot be read, or a shard is missing.
    """
    for suffix in ("safetensors", "bin"):
        for variant in VARIANTS:
            for stem in STEMS:
                single = folder / f"{stem}{variant}.{suffix}"
                if single.is_file():
                    return [single]
                index = folder / f"{stem}.{suffix}.index{variant}.json"
                if index.is_file():
                    return _shards(index)
    return []


def read_part_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of the folder.

    Raises:
        ModelError: there are no weights, or a file is damaged or missing.
    """
    paths = find_weights(folder)
    if not paths:
        raise ModelError(f"{folder} holds no weights; put its model.safetensors there")
    state: dict[str, Tensor] = {}
    for path in paths:
        state.update(read_tensors(path))
    return state


def _shards(index: Path) -> list[Path]:
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{index} is not an index of weight files ({error}); download it again") from error
    paths = sorted(index.parent / Path(str(name)).name for name in names)
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise ModelError(f"{index.parent} lacks {missing[0]} of {len(paths)} weight files; download it again")
    return paths
