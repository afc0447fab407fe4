"""Dense optical flow between two frames (OpenCV's DIS), and warping along it.

A flow (h, w, 2) belongs to the first frame's pixels: `second[x + flow[x]]` shows what `first[x]` shows. Kroeger et
al. 2016, "Fast Optical Flow using Dense Inverse Search" (arXiv 1603.03590).
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

SIDE = 256  # short side, at most, of the copies on which flow is computed: finer detail moves with what is around it


def grey(frame: np.ndarray) -> np.ndarray:
    """float32 RGB (h, w, 3) in [0, 1], alpha (h, w, 4) left aside -> uint8 (h, w)."""
    return cv2.cvtColor(cv2.convertScaleAbs(frame[..., :3], alpha=255), cv2.COLOR_RGB2GRAY)


class FlowEstimator:
    """DIS with its buffers, for pictures of one size. Not for use by two threads at once.

    `exact` refines the flow down to every pixel of the copies. Motion that will be averaged over a region does not need
    that, and costs a quarter.

    Flows have the small size and its pixels, which is enough to reason about them; `enlarge` turns one into offsets for
    the full picture.
    """

    def __init__(self, height: int, width: int, exact: bool = True) -> None:
        self.size = (width, height)
        self.scale = max(1.0, min(height, width) / SIDE)  # pixels of the frame in one of the copies
        self.small = (max(16, round(width / self.scale)), max(16, round(height / self.scale)))
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._dis.setFinestScale(0 if exact or self.scale == 1 else 1)

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """The input of `between`: the grey picture at the size at which flow is computed."""
        return grey(self.shrink(frame))

    def shrink(self, frame: np.ndarray) -> np.ndarray:
        """The frame at the small size."""
        return frame if self.small == self.size else cv2.resize(frame, self.small, interpolation=cv2.INTER_AREA)

    def between(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """(h, w, 2) float32 flow at the small size between two prepared pictures."""
        return np.asarray(self._dis.calc(first, second, np.zeros((*first.shape, 2), np.float32)))

    def enlarge(self, flow: np.ndarray) -> np.ndarray:
        """A small flow or offset for every pixel of the full picture, in its pixels."""
        if self.small == self.size:
            return flow
        scale = np.array([self.size[0] / self.small[0], self.size[1] / self.small[1]], np.float32)
        return cv2.resize(flow * scale, self.size, interpolation=cv2.INTER_LINEAR)


def warp(image: np.ndarray, flow: np.ndarray, method: int = cv2.INTER_LINEAR) -> np.ndarray:
    """`image` sampled at x + flow[x]; beyond the border its edge is repeated."""
    return sampled(image, flow + pixel_grid(*flow.shape[:2]), method)


def sampled(image: np.ndarray, positions: np.ndarray, method: int = cv2.INTER_LINEAR) -> np.ndarray:
    """`image` at positions (h, w, 2) float32; beyond the border its edge is repeated."""
    return cv2.remap(image, positions, None, method, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]


@lru_cache(maxsize=4)
def pixel_grid(height: int, width: int) -> np.ndarray:
    """(h, w, 2) float32: every pixel's own x and y."""
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    grid.setflags(write=False)
    return grid


def disagreement(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """(h, w) error in pixels of going there and back: large where the second frame hides something."""
    return np.linalg.norm(forward + warp(backward, forward), axis=-1)


def spread(values: np.ndarray, trust: np.ndarray, sigma: float) -> np.ndarray:
    """Local average of values (h, w, c), weighted by `trust`; on a coarse grid, since the result is smooth."""
    shrink = max(1, int(sigma / 3))
    height, width = trust.shape
    size = (max(4, width // shrink), max(4, height // shrink))
    together = np.asarray(np.dstack([values * trust[..., None], trust]), np.float32)
    both = cv2.GaussianBlur(cv2.resize(together, size, interpolation=cv2.INTER_AREA), (0, 0), sigma / shrink)
    mean = np.asarray(both[..., :-1] / both[..., -1:], np.float32)
    return cv2.resize(mean, (width, height), interpolation=cv2.INTER_CUBIC)
