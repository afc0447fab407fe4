"""Which files the Sonic model consists of: what each is, where it belongs, its size, licence and source.

Sizes are those of the published files, rounded. A sha256 is given where it is known beforehand; the other files are
checked against the one that the server states.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sonic_core.weights.folder import FoundFiles, find_files
from sonic_core.weights.parts import find_weights
from sonic_core.weights.read import preferred

SONIC, WHISPER = "LeonJoe13/Sonic", "openai/whisper-tiny"
SVD = "stabilityai/stable-video-diffusion-img2vid-xt"
SVD_FOLDER = "stable-video-diffusion-img2vid-xt"

MODELSCOPE = {
    WHISPER: "openai-mirror/whisper-tiny",
    SVD: "AI-ModelScope/stable-video-diffusion-img2vid-xt",
}
"""Copies of the repositories on ModelScope, which serves China well and asks for no token. Sonic itself has none."""

SONIC_LICENCE = "CC BY-NC-SA 4.0"
SVD_LICENCE = "Stability AI Community License"


@dataclass(frozen=True)
class ModelFile:
    """A file that the model consists of."""

    path: str  # below the model folder
    what: str
    licence: str
    repository: str  # on Hugging Face
    name: str  # in the repository
    size: int  # bytes, about
    optional: bool = False
    sha256: str | None = None

    @property
    def url(self) -> str:
        """Where Hugging Face has it."""
        return f"https://huggingface.co/{self.repository}/resolve/main/{self.name}"


def _svd(name: str, what: str, size: int) -> ModelFile:
    return ModelFile(f"{SVD_FOLDER}/{name}", what, SVD_LICENCE, SVD, name, size)


def _whisper(name: str, size: int) -> ModelFile:
    return ModelFile(f"whisper-tiny/{name}", "speech encoder", "Apache-2.0", WHISPER, name, size)


FILES: tuple[ModelFile, ...] = (
    ModelFile("unet.pth", "the video UNet", SONIC_LICENCE, SONIC, "Sonic/unet.pth", 6_303_000_000),
    ModelFile("audio2token.pth", "speech to tokens", SONIC_LICENCE, SONIC, "Sonic/audio2token.pth", 217_000_000),
    ModelFile("audio2bucket.pth", "speech to motion", SONIC_LICENCE, SONIC, "Sonic/audio2bucket.pth", 87_000_000),
    _whisper("config.json", 2_000),
    _whisper("model.safetensors", 151_000_000),
    ModelFile("RIFE/flownet.pkl", "frames between frames", "MIT", SONIC, "RIFE/flownet.pkl", 12_000_000, optional=True),
    _svd("vae/config.json", "SVD autoencoder", 600),
    _svd("vae/diffusion_pytorch_model.fp16.safetensors", "SVD autoencoder", 196_000_000),
    _svd("image_encoder/config.json", "SVD image encoder", 600),
    _svd("image_encoder/model.fp16.safetensors", "SVD image encoder", 1_264_000_000),
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


def missing_of(statuses: Iterable[Status]) -> list[Status]:
    return [status for status in statuses if status.found is None]


def total_size(statuses: Iterable[Status]) -> int:
    """Bytes of all files."""
    return sum(status.size for status in statuses)


def readable_size(size: int) -> str:
    """Bytes as people write them: 4.2 GB, 151 MB, 0.6 kB."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.3g} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def model_status(folder: Path, svd: Path | None = None) -> list[Status]:
    """Every file of the catalog and whether a model in `folder` has it, or something that serves as well.

    A `.safetensors` twin stands for its `.pth`, a single `svd_xt*.safetensors` or any diffusers SVD folder for the
    SVD parts, and the places around the folder count as they do when the model is loaded.

    Raises:
        ModelError: `bundle.json` cannot be read, or `svd` is no SVD model.
    """
    found = find_files(folder, svd)
    return [Status(file, _found(file, found)) for file in FILES]


def _found(file: ModelFile, found: FoundFiles) -> Path | None:
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
    return preferred(path) or next(iter(find_weights(path.parent)), None)
