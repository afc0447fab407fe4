"""Resampling in time: to any frame rate, or to any increasing sequence of positions.

Between two frames the picture is made by RIFE when a network is given, by optical flow in both directions otherwise,
or not at all (the earlier frame is repeated). Durations are exact: frame k of the result shows the time k / fps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch

from sonic_core.clip import Clip
from sonic_core.errors import ModelError, SettingsError
from sonic_core.finishing import INTERPOLATION_METHODS as METHODS
from sonic_core.media.files import existing_file
from sonic_core.video.optical_flow import FlowEstimator, disagreement, warp
from sonic_core.video.rife import IFNet, middle_frames
from sonic_core.video.windows import Reach, single_frames, stage, windows
from sonic_core.weights.read import read_tensors

SEES = Reach(0, 1)
Method = Literal["auto", "rife", "flow", "repeat"]

# A pixel whose flow does not lead back is hidden in the other frame. Tolerance in pixels; it grows with the motion.
TOLERANCE, TOLERANCE_OF_MOTION = 1.0, 0.1
# Where the two warped frames differ by this much, only the nearer one is shown: a blend would leave a ghost.
GHOST, SHARPEST = 0.06, 12.0
LEAST_VISIBLE, LEAST_HOLDING = 0.15, 0.1
COHERENT = 7.0  # pixels at the flow's size; the choice between the frames is averaged over this distance
BISECTIONS = 4  # RIFE makes middle frames only; four bisections come within 1/32 of any time between

# (first, second) -> a function of the time t in (0, 1) between them
PairMaker = Callable[[np.ndarray, np.ndarray], Callable[[float], np.ndarray]]


def interpolate(clip: Clip, fps: Fraction | float, method: Method = "auto", network: IFNet | None = None) -> Clip:
    """The clip at `fps` frames a second, as long as before to half a frame. `network` is RIFE (see `load_rife`).

    `method`: "auto" is RIFE when there is a network, else flow; "repeat" repeats or drops frames.
    Raises SettingsError, and ModelError for "rife" without a network.
    """
    rate = Fraction(fps).limit_denominator(1001)
    if not 1 <= rate <= 240:
        raise SettingsError(f"fps is {float(fps):g}; give a rate from 1 to 240")
    if rate == clip.fps:
        return clip
    count = max(1, round(clip.frame_count / clip.fps * rate))
    step = clip.fps / rate
    return sampled(clip, lambda k: k * step, method, network, frame_count=count, fps=rate)


def sampled(
    clip: Clip,
    position: Callable[[int], Fraction | float],
    method: Method = "auto",
    network: IFNet | None = None,
    **changes: object,
) -> Clip:
    """A clip whose frame k is the source at `position(k)`, in source frames, not decreasing.

    Positions before the first or after the last frame show that frame. `changes` are fields of the new clip.
    """
    make = pair_maker(clip, method, network)
    result = clip.replaced(**changes)

    def frames() -> Iterator[np.ndarray]:
        k = 0
        for window in windows(single_frames(clip), SEES):
            last = not window.after
            between = None
            while k < result.frame_count and (last or position(k) < window.index + 1):
                t = float(position(k) - window.index)
                if last or t <= 0 or make is None:
                    yield window.here
                else:
                    between = between or make(window.here, window.after[0])
                    yield between(t)
                k += 1
            if k == result.frame_count:
                return

    return stage(clip, frames, **changes)


def pair_maker(clip: Clip, method: Method, network: IFNet | None) -> PairMaker | None:
    """The function that makes the frames between two; None where frames are repeated."""
    if method not in METHODS:
        raise SettingsError(f"interpolation method is {method!r}; choose one of {', '.join(METHODS)}")
    if method == "repeat":
        return None
    if method == "rife" and clip.has_alpha:
        raise SettingsError("RIFE makes frames without alpha; choose the method flow for a clip without its background")
    if method == "rife" or (method == "auto" and network is not None and not clip.has_alpha):
        if network is None:
            raise ModelError("RIFE/flownet.pkl is not there; put it into the model folder or choose the method flow")
        return lambda first, second: rife_between(network, first, second)
    estimator = FlowEstimator(clip.height, clip.width)
    return lambda first, second: flow_between(estimator, first, second)


def flow_between(estimator: FlowEstimator, first: np.ndarray, second: np.ndarray) -> Callable[[float], np.ndarray]:
    """Frames (h, w, 3) between two, by flow in both directions; what is hidden in one comes from the other."""
    small = estimator.prepare(first), estimator.prepare(second)
    forward, backward = estimator.between(*small), estimator.between(*reversed(small))
    seen_first, seen_second = visibility(forward, backward), visibility(backward, forward)

    def at(t: float) -> np.ndarray:
        to_first, to_second = way_back(forward, t), way_back(backward, 1 - t)
        weight_first = (1 - t) * warp(seen_first, to_first) * holding(to_first)
        weight_second = t * warp(seen_second, to_second) * holding(to_second)
        preference = cv2.GaussianBlur(np.log(weight_second / weight_first), (0, 0), COHERENT)
        from_first = warp(first, estimator.enlarge(to_first), cv2.INTER_CUBIC)
        from_second = warp(second, estimator.enlarge(to_second), cv2.INTER_CUBIC)
        difference = cv2.blur(estimator.shrink(cv2.absdiff(from_first, from_second)).max(-1), (5, 5))
        sharpness = np.minimum(1 + (difference / GHOST) ** 2, SHARPEST)
        share = cv2.resize(1 / (1 + np.exp(-sharpness * preference)), estimator.size)  # of the second frame
        return cv2.blendLinear(from_first, from_second, 1 - share, share).clip(0, 1)

    return at


def visibility(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """(h, w) up to 1: where the flow leads back to its start; low where the pixel is hidden in the other frame."""
    tolerance = TOLERANCE + TOLERANCE_OF_MOTION * np.linalg.norm(forward, axis=-1)
    return np.maximum(np.exp(-((disagreement(forward, backward) / tolerance) ** 2)), LEAST_VISIBLE)


def holding(offset: np.ndarray) -> np.ndarray:
    """(h, w) up to 1: low where warping by `offset` stretches a few pixels over a gap that opens, as lips do."""
    along_x, along_y = (cv2.Sobel(offset, -1, dx, 1 - dx, ksize=3, scale=1 / 8) for dx in (1, 0))
    area = (1 + along_x[..., 0]) * (1 + along_y[..., 1]) - along_x[..., 1] * along_y[..., 0]
    return area.clip(LEAST_HOLDING, 1) ** 3


def way_back(flow: np.ndarray, t: float) -> np.ndarray:
    """Offsets d from the picture at time t to the frame where the flow starts: they solve d(x) = -t flow(x + d(x))."""
    offset = -t * flow
    for _ in range(3):
        offset = -t * warp(flow, offset)
    return offset


def rife_between(network: IFNet, first: np.ndarray, second: np.ndarray) -> Callable[[float], np.ndarray]:
    """Frames (h, w, 3) between two by bisection: RIFE makes middle frames, each of them once."""
    device = next(network.parameters()).device
    made = {0.0: to_tensor(first, device), 1.0: to_tensor(second, device)}

    def at(t: float) -> np.ndarray:
        low, high = 0.0, 1.0
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            if middle not in made:
                made[middle] = middle_frames(network, made[low], made[high])
            if t == middle:
                low = high = middle
                break
            low, high = (middle, high) if t > middle else (low, middle)
        nearest = low if t - low <= high - t else high
        return made[nearest][0].permute(1, 2, 0).float().cpu().numpy()

    return at


def to_tensor(frame: np.ndarray, device: torch.device) -> torch.Tensor:
    """(h, w, 3) -> (1, 3, h, w)."""
    return torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].to(device)


def load_rife(path: str | Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> IFNet:
    """RIFE from the release's `RIFE/flownet.pkl` or its safetensors twin. Raises ModelError for another file."""
    return IFNet.from_state(read_tensors(existing_file(path, "model file"))).to(device, dtype)
