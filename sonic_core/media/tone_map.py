"""Maps HDR and wide-gamut pictures to SDR by a lookup cube for libavfilter's `lut3d`.

ITU-R BT.2100 turns HLG and PQ into light. Reference white (203 cd/m2) becomes 1; the Mobius curve of libavfilter's
`tonemap` rolls off what is brighter. Primaries become BT.709's, and the inverse of BT.1886's gamma encodes the result,
as SDR video is graded.
"""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from sonic_core.media.filters import escaped, linked

PQ, HLG = 16, 18  # transfer characteristics by ITU-T H.273
BT709, BT2020, DCI_P3, DISPLAY_P3 = 1, 9, 11, 12  # primaries by ITU-T H.273

WHITE = 203.0  # cd/m2, HDR reference white by ITU-R BT.2408
PEAK = 1000.0  # cd/m2 of the display on which the picture is assumed to be graded
KNEE = 0.85  # share of reference white below which nothing changes
GAMMA = 2.4
CUBE_SIDE = 33

D65, DCI_WHITE = (0.3127, 0.3290), (0.314, 0.351)
PRIMARIES = {
    BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    DCI_P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), DCI_WHITE),
    DISPLAY_P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
}


def needs_mapping(transfer: int, primaries: int) -> bool:
    """Whether a picture with these tags would look wrong as BT.709."""
    return transfer in (PQ, HLG) or primaries in (BT2020, DCI_P3, DISPLAY_P3)


@lru_cache(maxsize=8)
def cube_file(transfer: int, primaries: int) -> Path:
    """A .cube file from the stored RGB of such pictures to BT.709. It is removed when the process ends."""
    side = np.linspace(0, 1, CUBE_SIDE)
    blue, green, red = np.meshgrid(side, side, side, indexing="ij")  # red runs fastest in a .cube file
    mapped = to_sdr(np.stack([red, green, blue], -1).reshape(-1, 3), transfer, primaries)
    path = Path(_folder().name) / f"{transfer}-{primaries}.cube"
    np.savetxt(path, mapped, fmt="%.6f", header=f"LUT_3D_SIZE {CUBE_SIDE}", comments="")
    return path


def lookup(transfer: int, primaries: int) -> tuple[str, str]:
    """The filter that maps such pictures to SDR, and its arguments."""
    return "lut3d", f"file={escaped(str(cube_file(transfer, primaries)))}:interp=tetrahedral"


def tone_mapped(picture: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """The picture, uint8 RGB (h, w, 3), mapped to SDR."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame.pts = 0
    graph = linked(frame, ("format", "pix_fmts=gbrp16le"), lookup(transfer, primaries), ("format", "pix_fmts=rgb24"))
    graph.push(frame)
    return graph.pull().to_ndarray()  # type: ignore[no-any-return, union-attr]


def to_sdr(stored: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """RGB values (n, 3) in [0, 1] as such a picture stores them -> as BT.709 stores them."""
    if transfer == PQ:
        light = np.minimum(pq_to_light(stored), PEAK) / WHITE
    elif transfer == HLG:
        light = hlg_to_light(stored) / WHITE
    else:
        light = stored**GAMMA
    if transfer in (PQ, HLG):
        brightest = np.maximum(light.max(-1, keepdims=True), 1e-6)
        light = light * mobius(brightest) / brightest
    light = light @ conversion(primaries if primaries in PRIMARIES else BT2020, BT709).T
    return light.clip(0, 1) ** (1 / GAMMA)


def pq_to_light(stored: np.ndarray) -> np.ndarray:
    """cd/m2 of SMPTE ST 2084 values."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = stored ** (1 / m2)
    return 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def hlg_to_light(stored: np.ndarray) -> np.ndarray:
    """cd/m2 that a display of PEAK shows for HLG values (n, 3) in BT.2020: inverse OETF, then OOTF."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(stored <= 0.5, stored**2 / 3, (np.exp((stored - c) / a) + b) / 12)
    brightness = scene @ np.array([0.2627, 0.6780, 0.0593])
    return PEAK * scene * np.maximum(brightness, 1e-9)[..., None] ** 0.2


def mobius(light: np.ndarray) -> np.ndarray:
    """libavfilter's Mobius curve: the identity up to KNEE; PEAK becomes 1."""
    peak = PEAK / WHITE
    a = -(KNEE**2) * (peak - 1) / (KNEE**2 - 2 * KNEE + peak)
    b = (KNEE**2 - 2 * KNEE * peak + peak) / (peak - 1)
    scale = (b**2 + 2 * b * KNEE + KNEE**2) / (b - a)
    return np.where(light <= KNEE, light, scale * (light + a) / (light + b))


def conversion(source: int, target: int) -> np.ndarray:
    """(3, 3) from linear RGB in one set of primaries to another; white stays white."""
    return np.linalg.inv(_to_xyz(target)) @ _adapted(source, target) @ _to_xyz(source)


def _to_xyz(primaries: int) -> np.ndarray:
    """(3, 3) from linear RGB to XYZ."""
    *corners, white = PRIMARIES[primaries]
    xyz = np.array([_xyz(*corner) for corner in corners]).T
    return xyz * np.linalg.solve(xyz, _xyz(*white))


def _adapted(source: int, target: int) -> np.ndarray:
    """(3, 3) that brings the white of one set of primaries to the other's in XYZ (Bradford)."""
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    before, after = (bradford @ _xyz(*PRIMARIES[which][3]) for which in (source, target))
    return np.linalg.inv(bradford) @ np.diag(after / before) @ bradford


def _xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1, (1 - x - y) / y])


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix=f"sonic-cube-{os.getpid()}-")
