"""Decoded frames as they are meant to be seen: upright, square pixels, deinterlaced, 8-bit RGB in BT.709.

One libavfilter graph does it all: deinterlacing (bwdif), cropping, the colour matrix and range with accurate rounding
(swscale's default is up to five levels off), HDR tone mapping, rotation and mirroring. Most frames only need their
colours converted, and perhaps a rotation or a smaller size; `media.yuv` does that in half the time.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import cv2
import numpy as np
from av.filter import Graph

from sonic_core.media.cropping import Cropping
from sonic_core.media.filters import linked, pulled
from sonic_core.media.shrink import shrink_for
from sonic_core.media.tone_map import HLG, PQ, lookup, needs_mapping
from sonic_core.media.yuv import CHROMA_SIZES, rgb_of

logger = logging.getLogger(__name__)

# swscale's names of matrices by ITU-T H.273's numbers.
MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
FULL_RANGE = 2
# Where the file does not say, pictures up to this size have the matrix of BT.601, larger ones that of BT.709.
SD_WIDTH, SD_HEIGHT = 1024, 576
ACCURATE = "accurate_rnd+full_chroma_int"

Conversion = Callable[[], np.ndarray]  # makes a picture as it is seen, uint8 RGB (height, width, 3)


@dataclass(frozen=True)
class Orientation:
    """How a stored picture is turned upright: first mirrored left to right, then rotated clockwise."""

    degrees: int = 0  # 0, 90, 180, 270
    mirrored: bool = False

    @property
    def filters(self) -> list[tuple[str, str]]:
        """The same as libavfilter's filters and their arguments."""
        turns = {
            0: [],
            90: [("transpose", "clock")],
            180: [("hflip", ""), ("vflip", "")],
            270: [("transpose", "cclock")],
        }
        return ([("hflip", "")] if self.mirrored else []) + turns[self.degrees]

    def turned(self, picture: np.ndarray) -> np.ndarray:
        """The stored picture, or a plane of it, upright: (height, width, ...)."""
        if self.mirrored:
            picture = cv2.flip(picture, 1)
        turns = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
        return cv2.rotate(picture, turns[self.degrees]) if self.degrees else picture


def orientation_of(frame: Any) -> Orientation:
    """The orientation given by a frame's display matrix, to the nearest quarter turn."""
    data = next((item for item in frame.side_data if item.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return Orientation()
    # 16.16 fixed point, row by row: a stored (x, y) is seen at (a x + c y, b x + d y), y down.
    a, b, _, c, d = struct.unpack("<5i", bytes(data)[:20])
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    degrees = round(float(np.degrees(np.arctan2(b, a))) / 90) * 90 % 360
    return Orientation(degrees, mirrored)


@dataclass(frozen=True)
class View:
    """How the stored frames of a stream are shown: which part, at which size, which way up."""

    orientation: Orientation
    crop: Cropping
    stored: tuple[int, int]  # width and height after cropping, in stored pixels
    square: tuple[int, int]  # with square pixels, before rotation
    shrink: int = 1  # 2, 4, ...: by how much pictures are smaller than that

    @property
    def shrunk(self) -> tuple[int, int]:
        """Width and height before rotation."""
        return self.square[0] // self.shrink, self.square[1] // self.shrink

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as seen."""
        return self.shrunk[::-1] if self.orientation.degrees in (90, 270) else self.shrunk

    def reduced(self, short_side: int) -> View:
        """The same view, shrunk so that its short side comes near `short_side`."""
        return replace(self, shrink=shrink_for(self.square, short_side))


def view_of(frame: Any, aspect: Fraction | None, crop: Cropping) -> View:
    """How frames like this one are shown. `aspect` is the width of a pixel by its height, None if unknown."""
    width = frame.width - crop.left - crop.right
    height = frame.height - crop.top - crop.bottom
    return View(orientation_of(frame), crop, (width, height), square_size(width, height, aspect))


def square_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """The size with square pixels: the side that is too short is enlarged, to the nearest even number of pixels.

    Aspects beyond 1:8 and 8:1 are taken for mistakes in the file, and the pixels for square.
    """
    if not aspect or aspect == 1 or not Fraction(1, 8) <= aspect <= 8:
        return width, height
    if aspect > 1:
        return max(2, round(width * aspect / 2) * 2), height
    return width, max(2, round(height / aspect / 2) * 2)


def seen(frames: Iterator[Any], view: View) -> Iterator[tuple[float | None, Conversion]]:
    """The time of each decoded frame and a function that makes its picture, which may be called in any thread."""
    graph, key, interlaced = None, None, False
    for frame in frames:
        interlaced = interlaced or frame.interlaced_frame
        now = (frame.width, frame.height, frame.format.name, int(frame.colorspace), int(frame.color_range),
               int(frame.color_trc), int(frame.color_primaries), interlaced)  # fmt: skip
        if now != key:
            if graph is not None:
                yield from _drained(graph)
            plain = is_plain(frame, view, interlaced)
            graph, key = None if plain else make_graph(frame, view, interlaced), now
        if graph is None:
            # Memory of this thread, which is kept and used again; a worker's would be returned after every frame.
            into = np.empty((*view.size[::-1], 3), np.uint8)
            yield frame.time, partial(converted, frame, view, into)
            continue
        graph.push(frame)
        yield from _pulled(graph)
    if graph is not None:
        yield from _drained(graph)


def converted(frame: Any, view: View, into: np.ndarray) -> np.ndarray:
    """uint8 RGB of a frame that needs no filter (see `is_plain`), written `into` (height, width, 3)."""
    turned = view.orientation.turned
    convert = partial(rgb_of, frame, matrix_of(frame), is_full_range(frame), view.shrink)
    if frame.width % 2 or frame.height % 2:  # the last samples of chroma reach beyond the picture
        return turned(convert(np.empty((*view.shrunk[::-1], 3), np.uint8)))
    return convert(into, turned)


def is_plain(frame: Any, view: View, interlaced: bool) -> bool:
    """Whether a frame needs no filter: only its colours converted, perhaps shrunk and rotated."""
    return (
        frame.format.name in CHROMA_SIZES
        and not interlaced
        and view.crop == Cropping()
        and view.square == view.stored == (frame.width, frame.height)
        and not needs_mapping(int(frame.color_trc), int(frame.color_primaries))
    )


def matrix_of(frame: Any) -> str:
    """swscale's name of a frame's matrix, chosen by its size where the frame names none."""
    usual = "bt709" if frame.width > SD_WIDTH or frame.height > SD_HEIGHT else "bt601"
    return MATRICES.get(int(frame.colorspace), usual)


def is_full_range(frame: Any) -> bool:
    """Whether black is 0 and white 255, as in JPEG, rather than 16 and 235."""
    return int(frame.color_range) == FULL_RANGE or frame.format.name.startswith("yuvj")


def make_graph(frame: Any, view: View, interlaced: bool) -> Graph:
    """The filters for frames like this one."""
    transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
    mapped = needs_mapping(transfer, primaries)
    chain = []
    if interlaced:
        chain.append(("bwdif", "mode=send_frame:deint=interlaced"))
    if view.crop != Cropping():
        width, height = view.stored
        chain.append(("crop", f"{width}:{height}:{view.crop.left}:{view.crop.top}:exact=1"))
    width, height = view.shrunk
    smaller = width * height < view.stored[0] * view.stored[1]
    method = "bilinear" if view.shrunk == view.stored else "area" if smaller else "lanczos"
    in_range = "full" if is_full_range(frame) else "limited"
    kind = "gbrp16le" if mapped else "rgba" if has_alpha(frame) else "rgb24"
    colours = "" if frame.format.is_rgb else f":in_color_matrix={matrix_of(frame)}:in_range={in_range}"
    chain += [
        ("scale", f"{width}:{height}:flags={method}+{ACCURATE}:out_range=full{colours}"),
        ("format", f"pix_fmts={kind}"),
    ]
    if mapped:
        chain += [
            lookup(transfer, primaries),
            ("scale", f"flags=bilinear+{ACCURATE}"),
            ("format", "pix_fmts=rgb24"),
        ]
    chain += view.orientation.filters
    return linked(frame, *chain)


def has_alpha(frame: Any) -> bool:
    """Whether a frame may be transparent in parts; a palette (GIF) may have a transparent colour."""
    return any(component.is_alpha for component in frame.format.components) or frame.format.name == "pal8"


def over_white(frame: Any) -> np.ndarray:
    """uint8 RGB (height, width, 3) of a frame in RGB or RGBA, over white."""
    picture: np.ndarray = frame.to_ndarray()
    if picture.shape[2] == 3:
        return picture
    alpha = picture[..., 3:].astype(np.uint16)
    return ((picture[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def colour_name(frame: Any) -> str:
    """A short name for a frame's colour space."""
    transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
    names = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
    if transfer in (PQ, HLG):
        return f"HDR ({'PQ' if transfer == PQ else 'HLG'}, {names.get(primaries, 'BT.2020')})"
    return names.get(primaries, "SDR")


def _pulled(graph: Graph) -> Iterator[tuple[float | None, Conversion]]:
    for frame in pulled(graph):
        yield frame.time, partial(over_white, frame)


def _drained(graph: Graph) -> Iterator[tuple[float | None, Conversion]]:
    graph.push(None)
    yield from _pulled(graph)
