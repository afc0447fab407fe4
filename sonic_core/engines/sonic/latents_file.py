"""Sampled latents on disk, so that a crash while decoding costs no sampling.

A file is named after a digest of everything that went into it. It is written when sampling ends, found when the same
run is asked for again, and removed once the clip has been decoded to its end: nothing of a portrait stays behind.
Files that no run came back for are removed after a week.
"""

import hashlib
import logging
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

logger = logging.getLogger(__name__)

MAX_AGE_SECONDS = 7 * 24 * 3600


def default_folder() -> Path:
    """Where latents wait when the caller names no folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "sonic-studio" / "latents"


def digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    """A name for a run: its conditions and the facts (settings, model) that decide its latents."""
    sha = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()[:32]


class LatentsFolder:
    """The files of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, name: str) -> Tensor | None:
        """The latents of an earlier run, or None."""
        path = self._path(name)
        if not path.is_file():
            return None
        try:
            latents = load_file(path)["latents"]
        except (SafetensorError, OSError, KeyError) as error:
            logger.warning("%s is damaged and will be made again: %s", path, error)
            return None
        logger.info("sampling was done before: latents taken from %s", path)
        return latents

    def save(self, name: str, latents: Tensor) -> None:
        """Write whole or not at all. A full disk costs the safety net, not the run."""
        temporary = self.folder / f".{name}.{secrets.token_hex(4)}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._remove_old()
            save_file({"latents": latents.cpu().contiguous()}, temporary)
            os.replace(temporary, self._path(name))
        except (OSError, SafetensorError) as error:
            logger.warning("the sampled latents could not be kept in %s: %s", self.folder, error)
            with suppress(OSError):
                temporary.unlink()

    def remove(self, name: str) -> None:
        """Forget a run that is finished."""
        with suppress(OSError):
            self._path(name).unlink()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def _remove_old(self) -> None:
        oldest = time.time() - MAX_AGE_SECONDS
        for path in self.folder.glob("*.safetensors"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
