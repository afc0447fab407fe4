"""Sizes of the published networks and settings of the sampler, read from a `config.json` if there is one.

The released files carry no configuration: the defaults here are theirs. A folder with other sizes (a small model
for tests, a fine-tune) states them in `config.json`, with a section for each network.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sonic_core.errors import ModelError
from sonic_core.weights.json_file import read_json

_T = TypeVar("_T")


@dataclass(frozen=True)
class UNetConfig:
    """Constructor settings of the UNet; the names are those of the published `config.json`.

    A single number in the file holds for every level.
    """

    in_channels: int = 8
    out_channels: int = 4
    block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    addition_time_embed_dim: int = 256
    projection_class_embeddings_input_dim: int = 768
    layers_per_block: tuple[int, ...] = (2, 2, 2, 2)
    cross_attention_dim: int = 1024
    transformer_layers_per_block: tuple[int, ...] = (1, 1, 1, 1)
    num_attention_heads: tuple[int, ...] = (5, 10, 20, 20)
    audio_tokens: int = 32

    def __post_init__(self) -> None:
        for name in ("layers_per_block", "transformer_layers_per_block", "num_attention_heads"):
            value = getattr(self, name)
            if isinstance(value, int):
                object.__setattr__(self, name, (value,) * len(self.block_out_channels))


@dataclass(frozen=True)
class SchedulerConfig:
    """Noise levels of the released sampler."""

    sigma_min: float = 0.002
    sigma_max: float = 700.0


@dataclass(frozen=True)
class SamplerConfig:
    """What the model was trained and released with; `frames_per_window` and `fps` are the model's own."""

    frames_per_window: int = 25
    overlap: int = 0
    shift_offset: int = 7
    steps: int = 25
    fps: float = 12.5
    motion_bucket_scale: float = 1.0
    image_guidance: float = 2.0
    audio_guidance: float = 7.5
    decode_chunk_size: int = 8


@dataclass(frozen=True)
class SonicConfig:
    """All sections; `vae`, `clip` and `whisper` are handed to the libraries that own those networks."""

    unet: UNetConfig = field(default_factory=UNetConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    vae: dict[str, Any] = field(default_factory=dict)
    clip: dict[str, Any] = field(default_factory=dict)
    whisper: dict[str, Any] = field(default_factory=dict)


def read_config(path: Path) -> SonicConfig:
    """Read a `config.json`; a section or value it leaves out is the released one.

    Raises:
        ModelError: the file is not a JSON object of sections.
    """
    sections = read_json(path)
    if not isinstance(sections, dict) or not all(isinstance(section, dict) for section in sections.values()):
        raise ModelError(f"{path} must hold a JSON object with a section for each network")
    return SonicConfig(
        unet=_from_section(UNetConfig, sections.get("unet", {})),
        scheduler=_from_section(SchedulerConfig, sections.get("scheduler", {})),
        sampler=_from_section(SamplerConfig, sections.get("sampler", {})),
        vae=sections.get("vae", {}),
        clip=sections.get("clip", {}),
        whisper=sections.get("whisper", {}),
    )


def _from_section(kind: type[_T], section: dict[str, Any]) -> _T:
    """Build a dataclass from the keys it knows; JSON lists become tuples."""
    known = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in section.items() if k in known}
    return kind(**values)
