"""Which files the Sonic model consists of: what each is, where it belongs, its size, licence and source.

Sizes are those of the files as published, or of their tensors where marked as about. A sha256 is given where it is
known beforehand; the others are checked against the one the server states.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from sonic_core.weights.folder import Found, find_files
from sonic_core.weights.read import preferred

SONIC = "https://huggingface.co/LeonJoe13/Sonic/resolve/main/"
WHISPER = "https://huggingface.co/openai/whisper-tiny/resolve/main/"
SVD = "https://huggingface.co/stabilityai/stable-video-diffusion-img2vid-xt/resolve/main/"
SVD_FOLDER = "stable-video-diffusion-img2vid-xt"

SONIC_LICENCE = "CC BY-NC-SA 4.0"
SVD_LICENCE = "Stability AI Community License"


@dataclass(frozen=True)
class ModelFile:
    """One file to have."""

    path: str  # below the model folder
    what: str
    licence: str
    url: str
    size: int  # bytes, about
    optional: bool = False
    sha256: str | None = None


FILES: tuple[ModelFile, ...] = (
    ModelFile("unet.pth", "the video UNet", SONIC_LICENCE, SONIC + "Sonic/unet.pth", 6_303_000_000),
    ModelFile("audio2token.pth", "speech to tokens", SONIC_LICENCE, SONIC + "Sonic/audio2token.pth", 217_000_000),
    ModelFile("audio2bucket.pth", "speech to motion", SONIC_LICENCE, SONIC + "Sonic/audio2bucket.pth", 87_000_000),
    ModelFile("whisper-tiny/config.json", "speech encoder", "Apache-2.0", WHISPER + "config.json", 2_000),
    ModelFile(
        "whisper-tiny/model.safetensors", "speech encoder", "Apache-2.0", WHISPER + "model.safetensors", 151_000_000
    ),
    ModelFile(
        "RIFE/flownet.pkl", "frames between frames", "MIT", SONIC + "RIFE/flownet.pkl", 12_000_000, optional=True
    ),
    ModelFile(f"{SVD_FOLDER}/vae/config.json", "SVD autoencoder", SVD_LICENCE, SVD + "vae/config.json", 600),
    ModelFile(
        f"{SVD_FOLDER}/vae/diffusion_pytorch_model.fp16.safetensors",
        "SVD autoencoder",
        SVD_LICENCE,
        SVD + "vae/diffusion_pytorch_model.fp16.safetensors",
        196_000_000,
    ),
    ModelFile(
        f"{SVD_FOLDER}/image_encoder/config.json",
        "SVD image encoder",
        SVD_LICENCE,
        SVD + "image_encoder/config.json",
        600,
    ),
    ModelFile(
        f"{SVD_FOLDER}/image_encoder/model.fp16.safetensors",
        "SVD image encoder",
        SVD_LICENCE,
        SVD + "image_encoder/model.fp16.safetensors",
        1_264_000_000,
    ),
)


@dataclass(frozen=True)
class Status:
    """A file of the catalog and where it was found, if it was."""

    file: ModelFile
    found: Path | None

    @property
    def size(self) -> int:
        """Bytes on disk, or to be downloaded."""
        return self.found.stat().st_size if self.found is not None else self.file.size


def model_status(folder: Path, svd: Path | None = None) -> list[Status]:
    """Every file of the catalog and whether a model in `folder` has it, or something that serves as well.

    A `.safetensors` twin stands for its `.pth`, a single `svd_xt*.safetensors` or any diffusers SVD folder for the
    SVD parts, and the places around the folder count as they do when the model is loaded.

    Raises:
        ModelError: `bundle.json` cannot be read, or `svd` is no SVD model.
    """
    found = find_files(folder, svd)
    return [Status(file, _found(file, found)) for file in FILES]


def _found(file: ModelFile, found: Found) -> Path | None:
    first, _, rest = file.path.partition("/")
    if file.path in found.networks:
        return found.networks[file.path]
    if first == "RIFE":
        return found.rife
    if first == SVD_FOLDER:
        if found.svd is None or found.svd.is_file():
            return found.svd
        return _any_weights(found.svd / rest)
    if found.audio_encoder != "whisper":  # the bundle's own encoder stands for Whisper
        return found.speech
    return _any_weights(found.speech / rest) if found.speech is not None else None


def _any_weights(path: Path) -> Path | None:
    """The file itself or, for weights, another file of its folder that holds them."""
    if path.is_file() or path.suffix == ".json":
        return path if path.is_file() else None
    others = (*path.parent.glob("*.safetensors"), *path.parent.glob("*.bin"))
    return preferred(path) or next(iter(sorted(others)), None)


def mirrored(url: str) -> str:
    """The URL on the mirror that HF_ENDPOINT names, if it names one."""
    mirror = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return url.replace("https://huggingface.co", mirror, 1) if mirror else url
