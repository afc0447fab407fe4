"""The weights of one network in a folder of diffusers or transformers: one file or shards, whole or half precision."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from torch import Tensor

from sonic_core.errors import ModelError
from sonic_core.weights.json_file import read_json
from sonic_core.weights.read import check_values, read_tensors

logger = logging.getLogger(__name__)

STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
VARIANTS = ("", ".fp16")
SHARD = re.compile(r"(.+)-\d+-of-(\d+)(\.\w+)")


def find_weights(folder: Path) -> list[Path]:
    """The files that together hold the weights: safetensors before `.bin`, one file before shards; empty if none.

    Raises:
        ModelError: the index of the shards cannot be read, or a shard is missing.
    """
    source = next(_sources(folder), None)
    return [] if source is None else _files(source)


def read_part_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of the folder; what is damaged is passed over when the folder holds them a second time.

    Raises:
        ModelError: there are no weights, or a file is damaged or missing.
    """
    sources = list(_sources(folder))
    for source, others in zip(sources, range(len(sources) - 1, -1, -1), strict=True):
        try:
            state = {name: tensor for path in _files(source) for name, tensor in read_tensors(path).items()}
            if others:
                check_values(state, str(source))
            return state
        except ModelError as error:
            if not others:
                raise
            logger.warning("%s; another file of %s is read instead", error, folder)
    raise ModelError(f"{folder} holds no weights; put its model.safetensors there")


def _sources(folder: Path) -> Iterator[Path]:
    """Every file, index of shards, or first of shards without an index that stands for the weights, the best first."""
    for suffix in ("safetensors", "bin"):
        for variant in VARIANTS:
            for stem in STEMS:
                single = folder / f"{stem}{variant}.{suffix}"
                index = folder / f"{stem}.{suffix}.index{variant}.json"
                shards = sorted(folder.glob(f"{stem}{variant}-*-of-*.{suffix}"))
                choices = [single, index, *shards[:1]]
                yield from [path for path in choices if path.is_file()][:1]


def _files(source: Path) -> list[Path]:
    if source.suffix == ".json":
        return _indexed(source)
    shard = SHARD.fullmatch(source.name)
    if shard is None:
        return [source]
    stem, count, suffix = shard.groups()
    paths = sorted(source.parent.glob(f"{stem}-*-of-{count}{suffix}"))
    if len(paths) != int(count):
        raise ModelError(f"{source.parent} has {len(paths)} of {int(count)} weight files; download it again")
    return paths


def _indexed(index: Path) -> list[Path]:
    try:
        names = set(read_json(index)["weight_map"].values())
    except (KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{index} is not an index of weight files ({error}); download it again") from error
    # The last part only, whichever slash is before it: an index does not point out of its folder.
    paths = sorted(index.parent / PureWindowsPath(str(name)).name for name in names)
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise ModelError(f"{index.parent} lacks {missing[0]} of {len(paths)} weight files; download it again")
    return paths
