"""Where the files of a Sonic model are: the model folder itself, and the places nearby where users keep them.

The model folder is ComfyUI's `models/sonic`, or any other with `unet.pth` in it. The folder above it, such as the
release's `checkpoints/`, may be given as well, or a Hugging Face cache, or one repository in it. The VAE and the image
encoder of Stable Video Diffusion XT are looked for there, beside it, and in ComfyUI's `models/checkpoints` and
`models/diffusers`; a path given by hand comes first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sonic_core.errors import ModelError
from sonic_core.weights.hub_cache import caches_around, snapshots
from sonic_core.weights.json_file import read_json
from sonic_core.weights.read import preferred

REQUIRED = ("unet.pth", "audio2token.pth", "audio2bucket.pth")
RIFE = "RIFE/flownet.pkl"
SVD_FILES = "svd_xt*.safetensors"
UNFINISHED = (".part", ".crdownload", ".download", ".incomplete", ".opdownload", ".partial", ".tmp")
"""What browsers and download tools add to the name of a file that has not come whole."""

SPEECH_FOLDERS = {"whisper": "whisper-tiny", "hubert": "hubert"}


@dataclass(frozen=True)
class FoundFiles:
    """Every file of a model; None for those that were not found."""

    folder: Path  # where the networks are, or the folder that was asked for when they are nowhere
    networks: dict[str, Path | None]  # by their names in REQUIRED
    audio_encoder: str  # a key of SPEECH_FOLDERS
    speech: Path | None  # a transformers folder
    rife: Path | None
    svd: Path | None  # a diffusers folder or a single file
    config: Path | None  # sizes other than the released ones

    def required_networks(self, place: str) -> dict[str, Path]:
        """`networks`, or a ModelError that names the first missing one and where it belongs."""
        return {name: self.required(name, path, place) for name, path in self.networks.items()}

    def required(self, what: str, path: Path | None, place: str) -> Path:
        """`path`, or a ModelError that names the missing file and where it belongs."""
        if path is None:
            part = next((part for mark in UNFINISHED if (part := self.folder / (what + mark)).is_file()), None)
            hint = f" ({part.name} is an unfinished download)" if part is not None else ""
            raise ModelError(
                f"{what} is missing{hint}; put it into {place}, or run: "
                + f"python -m sonic_core models download --folder {self.folder}"
            )
        return path


def find_files(folder: Path, svd: Path | None = None) -> FoundFiles:
    """Look for all files of a model.

    Raises:
        ModelError: `bundle.json` cannot be read, or `svd` is neither an SVD folder nor a file.
    """
    if svd is not None and not (is_svd_folder(svd) or svd.is_file()):
        raise ModelError(f"{svd} is neither a diffusers folder with vae and image_encoder nor an {SVD_FILES} file")
    root = model_root(folder)
    encoder = audio_encoder(root)
    repositories = [snapshot for cache in caches_around(folder) for snapshot in snapshots(cache)]
    nearby = (root, root.parent, folder, *repositories)
    config = root / "config.json"
    return FoundFiles(
        folder=root,
        networks={name: preferred(root / name) for name in REQUIRED},
        audio_encoder=encoder,
        speech=_find_speech(SPEECH_FOLDERS[encoder], nearby, repositories),
        rife=next((found for near in nearby if (found := preferred(near / RIFE)) is not None), None),
        svd=svd or find_svd(root) or find_svd(folder) or _svd_among(repositories, repositories),
        config=config if config.is_file() else None,
    )


def _find_speech(name: str, nearby: Iterable[Path], repositories: Iterable[Path]) -> Path | None:
    """The first transformers folder of that name: beside the model, or a repository of a cache."""
    cached = (path for path in repositories if path.parents[1].name.endswith(f"--{name}"))
    return next((path for path in (*(near / name for near in nearby), *cached) if _has_config(path)), None)


def model_root(folder: Path) -> Path:
    """The folder that holds the networks: `folder`, one right below it, or a repository of a cache; else `folder`."""
    if any(preferred(folder / name) for name in REQUIRED):
        return folder
    repositories = [snapshot for cache in caches_around(folder) for snapshot in snapshots(cache)]
    below = [*_children(folder), *repositories, *(child for r in repositories for child in _children(r))]
    return next((path for path in below if preferred(path / REQUIRED[0])), folder)


def audio_encoder(folder: Path) -> str:
    """Which speech encoder a bundle was trained with: what `bundle.json` says, or Whisper.

    Raises:
        ModelError: the file is not JSON, or names an unknown encoder.
    """
    path = folder / "bundle.json"
    if not path.is_file():
        return "whisper"
    try:
        name = read_json(path).get("audio_encoder", "whisper")
    except AttributeError:
        raise ModelError(f"{path} must hold a JSON object; download it again") from None
    if name not in SPEECH_FOLDERS:
        raise ModelError(f"{path} asks for the audio encoder {name!r}; known are {', '.join(SPEECH_FOLDERS)}")
    return str(name)


def find_svd(folder: Path) -> Path | None:
    """The nearest diffusers SVD folder, or else the nearest single file."""
    models = folder.parent
    folders = [folder, *_children(folder), *_children(models), *_children(models / "diffusers")]
    return _svd_among(folders, (folder, models, models / "checkpoints"))


def _svd_among(folders: Iterable[Path], places: Iterable[Path]) -> Path | None:
    """The first SVD folder, or else the first single file in `places`."""
    files = (file for place in places for file in _files(place))
    return next((path for path in folders if is_svd_folder(path)), None) or next(files, None)


def is_svd_folder(path: Path) -> bool:
    """Whether this is a diffusers folder with what is needed of Stable Video Diffusion."""
    return _has_config(path / "vae") and _has_config(path / "image_encoder")


def _has_config(folder: Path) -> bool:
    return (folder / "config.json").is_file()


def _children(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _files(folder: Path) -> list[Path]:
    """Single SVD files in a folder and its subfolders, in order of their names."""
    return sorted(folder.glob(SVD_FILES)) + sorted(folder.glob(f"*/{SVD_FILES}"))
