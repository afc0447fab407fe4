"""How a video is written: container, codec, encoder, quality; and the largest picture that common players take.

The command line reads its choices from here, so PyAV is imported only when an encoder is looked up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from sonic_core.errors import OutputError, SettingsError

CODECS = ("h264", "hevc", "av1", "vp9", "prores")
HARDWARE = ("nvenc", "videotoolbox", "qsv")

# Level 5.2 of H.264, the highest that phones decode: pixels a side, macroblocks a picture and a second.
MAX_SIDE, MAX_BLOCKS, MAX_BLOCKS_A_SECOND = 4096, 36_864, 2_073_600
SMALLEST = 16

# Half the cost of "veryfast" at the same quality, for files a fifth larger. Most of a talking portrait stands still,
# which the macroblock tree exploits; "superfast" alone does without it and makes files more than twice as large.
X264 = {"preset": "superfast", "x264-params": "mbtree=1:rc-lookahead=10:b-adapt=0"}
INDEX_FIRST = {"movflags": "use_metadata_tags+faststart"}


@dataclass(frozen=True)
class Container:
    """A kind of file: FFmpeg's muxer, its suffixes, the codecs it holds (the default first) and the codec of its sound.

    `alpha` is the codec that keeps alpha in it, None where there is none.
    """

    muxer: str
    suffixes: tuple[str, ...]
    codecs: tuple[str, ...]
    sound: str | None
    options: dict[str, str]
    alpha: str | None = None


CONTAINERS = {
    "mp4": Container("mp4", (".mp4", ".m4v"), ("h264", "hevc", "av1"), "aac", INDEX_FIRST),
    "mov": Container("mov", (".mov",), ("h264", "hevc", "prores"), "aac", INDEX_FIRST, "prores"),
    "webm": Container("webm", (".webm",), ("vp9", "av1"), "libopus", {}, "vp9"),
    "gif": Container("gif", (".gif",), ("gif",), None, {}),
    "webp": Container("webp", (".webp",), ("webp",), None, {"loop": "0"}, "webp"),
    "png": Container("apng", (".png", ".apng"), ("apng",), None, {"plays": "0"}, "apng"),
}

# Encoders that FFmpeg may have, the best first.
SOFTWARE = {
    "h264": ("libx264",),
    "hevc": ("libx265",),
    "av1": ("libsvtav1", "libaom-av1"),
    "vp9": ("libvpx-vp9",),
    "gif": ("gif",),
    "webp": ("libwebp_anim",),
    "prores": ("prores_ks",),
    "apng": ("apng",),
}
# FFmpeg's pixel formats where they are not yuv420p: without and with alpha.
PIXELS = {
    "vp9": ("yuv420p", "yuva420p"),
    "prores": ("yuv422p10le", "yuva444p10le"),
    "webp": ("bgra", "bgra"),
    "gif": ("pal8", "pal8"),
    "apng": ("rgb24", "rgba"),
}
HARDWARE_PIXELS = "nv12"  # every hardware encoder takes it; Quick Sync does not take yuv420p
LAMBDA = 118  # FFmpeg's FF_QP2LAMBDA
# The four-letter tag of a codec where FFmpeg's default does not do: Apple's players refuse HEVC without this one.
TAGS = {"hevc": "hvc1"}


@dataclass(frozen=True)
class Encoding:
    """How to write a video. What is None follows from the file's name.

    `crf` is x264's constant quality, 0 (lossless) to 51; other encoders get a value that looks alike. `full_size`
    writes pictures that are too large for common players as they are.
    """

    crf: int = 18
    codec: str | None = None
    format: str | None = None
    hardware: str | None = None
    full_size: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("codec", self.codec, CODECS),
            ("format", self.format, tuple(CONTAINERS)),
            ("hardware", self.hardware, HARDWARE),
        ):
            if value is not None and value not in known:
                raise SettingsError(f"{name} is {value!r}; choose one of {', '.join(known)}")
        if isinstance(self.crf, bool) or not isinstance(self.crf, int) or not 0 <= self.crf <= 51:
            raise SettingsError(f"crf is {self.crf!r}; give a whole number from 0 (lossless) to 51")


@dataclass(frozen=True)
class Plan:
    """An encoding that this machine can carry out."""

    container: Container
    encoder: str
    options: dict[str, str]
    pixels: str  # FFmpeg's pixel format
    tag: str | None  # the codec's four-letter tag, None for FFmpeg's


def plan_for(path: Path, encoding: Encoding, alpha: bool = False) -> Plan:
    """How to write the file at `path`; with `alpha`, its frames are transparent.

    Raises OutputError for a name and SettingsError for a choice that cannot be used.
    """
    import av

    container = _container(path, encoding)
    if alpha:
        check_alpha(path, container, encoding)
    codec = encoding.codec or (container.alpha if alpha and container.alpha else container.codecs[0])
    if codec not in container.codecs:
        kind = next(name for name, known in CONTAINERS.items() if known is container)
        if container.sound is None:
            raise SettingsError(f"the format {kind} has one codec only; leave codec out")
        raise SettingsError(
            f"the format {kind} cannot hold {codec}; choose {' or '.join(container.codecs)}, or another format"
        )
    if encoding.hardware is not None:
        return _hardware_plan(container, codec, encoding.hardware, encoding.crf)
    encoder = next((name for name in SOFTWARE[codec] if name in av.codecs_available), "")
    if not encoder:
        raise SettingsError(f"this PyAV was built without an encoder for {codec}; choose another codec or format")
    pixels = PIXELS.get(codec, ("yuv420p", "yuv420p"))[alpha]
    return Plan(container, encoder, _quality(encoder, encoding.crf, alpha), pixels, TAGS.get(codec))


def _hardware_plan(container: Container, codec: str, hardware: str, crf: int) -> Plan:
    """The plan for an encoder that runs on the GPU. Raises SettingsError where it does not open."""
    encoder = f"{codec}_{hardware}"
    plan = Plan(container, encoder, _quality(encoder, crf, alpha=False), HARDWARE_PIXELS, TAGS.get(codec))
    reason = why_closed(encoder, tuple(plan.options.items()))
    if reason is not None:
        raise SettingsError(
            f"the encoder {encoder} does not work on this machine ({reason}); "
            "leave hardware out, or choose another codec or hardware"
        )
    return plan


def check_alpha(path: Path, container: Container, encoding: Encoding) -> None:
    """Raise SettingsError for a format, codec or encoder that does not keep a transparent background."""
    if container.alpha is None:
        kinds = ", ".join(known.suffixes[0] for known in CONTAINERS.values() if known.alpha)
        raise SettingsError(f"{path.name} cannot hold a transparent background; name the output {kinds}")
    if encoding.codec not in (None, container.alpha) or encoding.hardware is not None:
        raise SettingsError(
            f"a transparent background in {container.suffixes[0]} needs the codec {container.alpha} "
            "and no hardware encoder; leave codec and hardware out"
        )


def _container(path: Path, encoding: Encoding) -> Container:
    suffix = path.suffix.lower()
    named = next((known for known in CONTAINERS.values() if suffix in known.suffixes), None)
    if encoding.format is None:
        if named is None:
            known = ", ".join(suffix for known in CONTAINERS.values() for suffix in known.suffixes)
            raise OutputError(f"output {str(path)!r} must end in one of {known}")
        return named
    chosen = CONTAINERS[encoding.format]
    if named is not None and named is not chosen:
        raise OutputError(
            f"output {str(path)!r} does not end as a {encoding.format} does; name it {chosen.suffixes[0]}"
        )
    return chosen


def _quality(encoder: str, crf: int, alpha: bool) -> dict[str, str]:
    """An encoder's options for a quality that looks like x264's at `crf`."""
    if encoder == "libx264":
        return {"crf": str(crf), **X264}
    if encoder == "libx265":
        return {"crf": str(min(51, crf + 3)), "preset": "fast", "x265-params": "log-level=none"}
    if encoder == "libsvtav1":
        return {"crf": str(min(63, max(1, round(crf * 1.3) + 6))), "preset": "8"}
    if encoder == "libaom-av1":
        return {"crf": str(min(63, round(crf * 1.3) + 6)), "cpu-used": "6", "b": "0"}
    if encoder == "libvpx-vp9":
        return {"crf": str(min(63, round(crf * 1.3) + 6)), "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
    if encoder == "prores_ks":
        return {"profile": "4444" if alpha else "hq", "alpha_bits": "16" if alpha else "0"}
    if encoder == "libwebp_anim":
        return {"quality": str(max(1, 100 - crf)), "compression_level": "4"}
    if encoder == "gif":
        return {"gifflags": "0"}  # every frame has a palette of its own, so none can show through to the one before
    if encoder.endswith("_nvenc"):
        return {"rc": "vbr", "cq": str(min(51, crf + 3)), "b": "0", "preset": "p5"}
    if encoder.endswith("_qsv"):
        return {"global_quality": str(min(51, crf + 3)), "preset": "medium"}
    if encoder.endswith("_videotoolbox"):  # a quality from 1 to 100, in FFmpeg's units of lambda
        return {"flags": "+qscale", "global_quality": str(LAMBDA * max(1, 100 - 2 * crf)), "allow_sw": "0"}
    return {}


@lru_cache(maxsize=16)
def why_closed(encoder: str, options: tuple[tuple[str, str], ...]) -> str | None:
    """Why a hardware encoder does not open with these options; None if it does. It is tried at a small size."""
    import av
    import av.logging

    if encoder not in av.codecs_available:
        return "this PyAV was built without it"
    context: Any = av.CodecContext.create(encoder, "w")
    context.width = context.height = 256
    context.pix_fmt, context.time_base, context.framerate = HARDWARE_PIXELS, Fraction(1, 25), Fraction(25)
    context.options = dict(options)
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)  # the error says "operation not permitted"; the log names the missing driver
    try:
        with av.logging.Capture() as log:
            context.open()
    except (av.FFmpegError, ValueError) as error:
        return str(log[0][2] if log else getattr(error, "strerror", None) or error).strip().rstrip(".")
    finally:
        av.logging.set_level(level)
    return None


def playable_size(width: int, height: int, fps: Fraction) -> tuple[int, int]:
    """The largest size of this shape, up to the size itself, that common players take."""
    if _plays(width, height, fps):
        return width, height
    blocks = min(MAX_BLOCKS, MAX_BLOCKS_A_SECOND / float(fps))
    scale = min(MAX_SIDE / max(width, height), math.sqrt(blocks * 256 / (width * height)))
    while True:
        wide, high = (max(SMALLEST, math.floor(side * scale / 2) * 2) for side in (width, height))
        if _plays(wide, high, fps) or max(wide, high) <= SMALLEST:
            return wide, high
        scale *= 0.99


def _plays(width: int, height: int, fps: Fraction) -> bool:
    blocks = math.ceil(width / 16) * math.ceil(height / 16)
    return max(width, height) <= MAX_SIDE and blocks <= MAX_BLOCKS and blocks * fps <= MAX_BLOCKS_A_SECOND
