"""Taking jitter, flicker and noise out of a clip while speech stays as it is.

Optical flow from frame to frame says how every bit of the picture moves; its path over the frames before and after is
smoothed (a polynomial of degree 2 through the window, so nods and turns pass) and the picture is moved onto it. Lips,
jaw and eyes have no say in that and ride along with the face around them, so an opening mouth stays as open and as
fast. Brightness is levelled to its mean over a longer past, the grain averaged with the neighbours along the motion.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from sonic_core.clip import Clip
from sonic_core.errors import SettingsError
from sonic_core.face.points import CHIN, FACE_OVAL, FOREHEAD, LEFT_EYE, OUTER_LIPS, RIGHT_EYE
from sonic_core.face.tracker import FaceTracker, Tracker
from sonic_core.video.optical_flow import FlowEstimator, grey, pixel_grid, sampled, spread, warp
from sonic_core.video.windows import Reach, Window, single_frames, stage, windows

SEES = Reach(5, 5)
DEGREE = 2
TAPER = 2.75  # frames, standard deviation of the window; passes 91 % of a motion of 2 Hz at 25 fps
LEVEL_BEFORE = 50  # frames whose brightness (not pixels) is remembered

STEP = 2  # paths are followed from every second pixel: they are averaged over a region afterwards
SPREAD = 0.1  # how far around motion is averaged, as a share of the face's height (or the short side)
AGREEMENT = 0.5  # pixels by which flow may miss on its way back
TEXTURE = 4.0  # grey levels of local contrast that make flow trustworthy
CUT = 0.4  # a mean difference after following the motion, as a share of the contrast, that means another scene
SMALLEST_MOVE = 0.05  # pixels of the frame; moving the picture by less only softens it
LEAST_NOISE, MOST_NOISE = 0.001, 0.05
ROWS = 16  # every so many rows tell how noisy a frame is
MEAN_OF_CHANNELS = np.full((1, 3), 1 / 3, np.float32)

JAW = tuple(FACE_OVAL[12:25])  # the oval below the mouth corners
LEAST_CHANGE = 0.0005  # of the log brightness, an eighth of a grey level
LEVEL_SIDE = 96  # side of the copies brightness is measured on


@dataclass
class Observation:
    """A frame and what was measured on it when it came in. All but the frame itself is at the small size of flow."""

    frame: np.ndarray
    small: np.ndarray  # float32 (h, w, 3)
    grey: np.ndarray  # uint8 (h, w)
    live: np.ndarray  # (h, w): 1 on lips, jaw and eyes
    tall: float  # face height in small pixels
    level: np.ndarray  # (3,) log brightness relative to the first frame
    is_cut: bool  # another scene than the frame before
    to_previous: np.ndarray | None  # flow
    from_previous: np.ndarray | None


def smooth(clip: Clip, strength: float = 1.0, new_tracker: Callable[[], Tracker] = FaceTracker) -> Clip:
    """The clip without jitter, flicker and noise; `strength` from 0 (the clip itself) to 1.

    `new_tracker` makes what finds the face, once a pass; without a face the whole picture is treated alike.
    Raises SettingsError for another strength.
    """
    if not 0 <= strength <= 1:
        raise SettingsError(f"smoothing strength is {strength}; give a value from 0 to 1")
    if strength == 0:
        return clip

    def frames() -> Iterator[np.ndarray]:
        estimator = FlowEstimator(clip.height, clip.width, exact=False)
        levels: deque[np.ndarray] = deque(maxlen=LEVEL_BEFORE)
        for window in windows(observed(clip, estimator, new_tracker()), SEES):
            if window.here.is_cut:
                levels.clear()
            levels.append(window.here.level)
            yield smoothed(window, list(levels), estimator, strength)

    return stage(clip, frames)


def observed(clip: Clip, estimator: FlowEstimator, tracker: Tracker) -> Iterator[Observation]:
    """Every frame with its flow, face and brightness."""
    before: Observation | None = None
    landmarks: np.ndarray | None = None
    for frame in single_frames(clip):
        small = np.ascontiguousarray(estimator.shrink(frame)[..., :3])
        found = tracker(small)
        landmarks = found if found is not None else landmarks
        before = observe(frame, small, before, landmarks, estimator)
        yield before


def observe(
    frame: np.ndarray,
    small: np.ndarray,
    before: Observation | None,
    landmarks: np.ndarray | None,
    estimator: FlowEstimator,
) -> Observation:
    live, tall = live_parts(landmarks, small.shape[:2])
    seen = Observation(frame, small, grey(small), live, tall, np.zeros(3, np.float32), False, None, None)
    if before is None:
        return seen
    forward, backward = estimator.between(before.grey, seen.grey), estimator.between(seen.grey, before.grey)
    followed = warp(before.grey, backward).astype(np.float32)
    followed *= float(seen.grey.mean()) / max(float(followed.mean()), 1.0)  # a flash is no cut
    difference = np.abs(followed - seen.grey).mean()
    if difference > CUT * max(float(seen.grey.std()), 8.0):
        seen.is_cut = True
        return seen
    seen.from_previous, seen.to_previous = forward, backward
    seen.level = before.level + brightening(before.small, small, backward, live)
    return seen


def live_parts(landmarks: np.ndarray | None, size: tuple[int, int]) -> tuple[np.ndarray, float]:
    """Mask (h, w) of what speaks and blinks, and the face's height; `landmarks` and `size` (h, w) at the small size."""
    mask = np.zeros(size, np.float32)
    if landmarks is None:
        return mask, float(min(size))
    points = landmarks[:, :2]
    tall = float(np.linalg.norm(points[FOREHEAD] - points[CHIN]))
    for part in ((*OUTER_LIPS, *JAW), RIGHT_EYE, LEFT_EYE):
        hull = cv2.convexHull(points[list(part)].astype(np.float32))
        cv2.fillPoly(mask, [np.round(hull).astype(np.int32)], 1.0)
    reach = max(1, round(0.05 * tall))
    wide = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    return np.asarray(cv2.GaussianBlur(wide, (0, 0), max(0.5, 0.02 * tall))), tall


def brightening(before: np.ndarray, here: np.ndarray, backward: np.ndarray, live: np.ndarray) -> np.ndarray:
    """(3,) log of how much brighter a frame is than the one before, channel by channel; the median along the motion."""
    size = (LEVEL_SIDE, LEVEL_SIDE)
    old, new = (cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in (before, here))
    shrink = np.array([LEVEL_SIDE / live.shape[1], LEVEL_SIDE / live.shape[0]], np.float32)
    old = warp(old, cv2.resize(backward, size, interpolation=cv2.INTER_AREA) * shrink)
    ratio = np.log((new + 0.02) / (old + 0.02))
    usable = (
        (cv2.resize(live, size) < 0.5) & (np.minimum(old, new).min(-1) > 0.03) & (np.maximum(old, new).max(-1) < 0.97)
    )
    return np.median(ratio[usable], 0) if usable.sum() > 50 else np.zeros(3, np.float32)


def smoothed(
    window: Window[Observation], levels: list[np.ndarray], estimator: FlowEstimator, strength: float
) -> np.ndarray:
    """The frame in the middle of a window, moved onto its smooth path, denoised and levelled.

    Every pixel is resampled once, straight from the frame it comes from.
    """
    here = window.here
    past, future = same_scene(window)
    back = -strength * correction(past, here, future)  # from the smooth path to the frame
    still = np.abs(back).max() * estimator.scale <= SMALLEST_MOVE
    out = here.frame if still else warp(here.frame, estimator.enlarge(back), cv2.INTER_CUBIC)
    neighbours = [(future[0], future[0].from_previous)] if future else []
    neighbours += [(past[-1], here.to_previous)] if past else []
    beside = [(seen, flow if still else back + warp(flow, back)) for seen, flow in neighbours if flow is not None]
    out = denoised(out, here, beside, estimator, strength)
    target = np.mean([*levels, *(seen.level for seen in future)], 0)
    return brightened(out, (target - here.level) * strength).clip(0, 1)


def same_scene(window: Window[Observation]) -> tuple[list[Observation], list[Observation]]:
    """The neighbours of a window's frame up to the next cut on either side."""
    future: list[Observation] = []
    for seen in window.after:
        if seen.is_cut:
            break
        future.append(seen)
    past: list[Observation] = []
    for seen, following in zip(reversed(window.before), [window.here, *reversed(window.before)], strict=False):
        if following.is_cut:
            break
        past.insert(0, seen)
    return past, future


def brightened(frame: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The frame with its colours' log brightness raised by (3,); alpha stays."""
    if np.abs(by).max() < LEAST_CHANGE:
        return frame
    gains = np.ones(frame.shape[2], np.float32)
    gains[:3] = np.exp(by)
    return cv2.transform(frame, np.diag(gains))


def denoised(
    frame: np.ndarray,
    here: Observation,
    neighbours: list[tuple[Observation, np.ndarray]],
    estimator: FlowEstimator,
    strength: float,
) -> np.ndarray:
    """The frame averaged with its neighbours, each (what was seen, small offsets to it), where only noise differs."""
    mean, weights = None, np.zeros(frame.shape[:2], np.float32)
    for seen, offset in neighbours:
        places = estimator.enlarge(offset) + pixel_grid(*frame.shape[:2])
        gain = here.level - seen.level
        some_rows = brightened(sampled(seen.frame, places[::ROWS], cv2.INTER_CUBIC), gain)
        noise = min(float(np.median(np.abs(some_rows - frame[::ROWS])[..., :3].mean(-1))), MOST_NOISE)
        if noise < LEAST_NOISE:
            continue
        moved = brightened(sampled(seen.frame, places, cv2.INTER_CUBIC), gain)
        difference = cv2.transform(estimator.shrink(cv2.absdiff(moved, frame))[..., :3], MEAN_OF_CHANNELS)
        likely = np.exp(-((cv2.blur(difference, (3, 3)) / (1.5 * noise)) ** 2))
        weight = cv2.resize(strength * (1 - here.live) * likely, estimator.size, interpolation=cv2.INTER_LINEAR)
        mean = moved if mean is None else cv2.blendLinear(mean, moved, weights, weight)
        weights += weight
    return frame if mean is None else cv2.blendLinear(frame, mean, np.ones_like(weights), weights)


def correction(past: list[Observation], here: Observation, future: list[Observation]) -> np.ndarray:
    """(h, w, 2) small pixels by which to move what is at each place of the frame to bring it onto its smooth path."""
    offsets = [*range(-len(past), 0), 0, *range(1, len(future) + 1)]
    weights = dict(zip(offsets, polynomial_weights(tuple(offsets)), strict=True))
    places = pixel_grid(*here.grey.shape)[::STEP, ::STEP]
    move = np.zeros_like(places)
    trust = np.zeros(places.shape[:2], np.float32)
    for sign, chain in ((1, flows_onward(future)), (-1, flows_backward(past, here))):
        path = np.zeros_like(places)
        for step, (flow, return_flow) in enumerate(chain, 1):
            path = path + sampled(flow, places + path)
            move += weights[sign * step] * path
            if step == 1:
                missed = np.linalg.norm(path + sampled(return_flow, places + path), axis=-1)
                trust += np.exp(-((missed / AGREEMENT) ** 2))
    contrast = cv2.blur(cv2.morphologyEx(here.grey, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)), (5, 5))
    trust *= (np.minimum(contrast / TEXTURE, 1) ** 2 * (1 - here.live))[::STEP, ::STEP]
    move = spread(move, trust + 1e-4, SPREAD * here.tall / STEP)
    return cv2.resize(move, here.grey.shape[::-1], interpolation=cv2.INTER_LINEAR)


def flows_onward(future: list[Observation]) -> list[tuple[np.ndarray, np.ndarray]]:
    """From each frame to the next: (flow, the flow back)."""
    return [(seen.from_previous, seen.to_previous) for seen in future]  # type: ignore[misc]


def flows_backward(past: list[Observation], here: Observation) -> list[tuple[np.ndarray, np.ndarray]]:
    """From each frame to the one before, from here on back: (flow, the flow back)."""
    onward = [*past[1:], here] if past else []
    return [(seen.to_previous, seen.from_previous) for seen in reversed(onward)]  # type: ignore[misc]


@lru_cache(maxsize=256)
def polynomial_weights(offsets: tuple[int, ...]) -> np.ndarray:
    """Weights (n,) with which values at `offsets` give, at 0, the polynomial fitted to them; nearer ones count more."""
    degree = DEGREE if min(-offsets[0], offsets[-1]) >= DEGREE else 0 if len(offsets) < 4 else 1
    taper = np.exp(-0.25 * (np.array(offsets) / TAPER) ** 2)
    powers = np.vander(np.array(offsets, np.float64), degree + 1, increasing=True)
    return (np.linalg.pinv(powers * taper[:, None])[0] * taper).astype(np.float32)
