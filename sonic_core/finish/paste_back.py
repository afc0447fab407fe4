"""Putting the moving face back into the photo it was cut from, at the photo's resolution.

The engine sees a square around the head and gives small frames. Each frame is compared with the portrait the engine
was given: flow between the two says where every bit of the photo went. From that come three things. Colours: where
frame and photo show the same, their slow differences are the engine's drift and are taken away. Detail: what the
photo has and the small portrait has not rides along with the motion. The seam: towards the edge of the head the
motion fades out, not only the opacity, so frame and photo lie on one another there and nothing shows twice.
A face that stands still gives back the photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sonic_core.clip import Clip
from sonic_core.errors import InputError
from sonic_core.face.crop import HAIR_ABOVE, HEAD_ASIDE, Box
from sonic_core.face.points import CHIN, FACE_OVAL, FOREHEAD
from sonic_core.video.interpolate import visibility
from sonic_core.video.layers import laid_over
from sonic_core.video.optical_flow import FlowEstimator, grey, pixel_grid, sampled, spread, warp
from sonic_core.video.windows import mapped

FEATHER = 0.18  # width of the blend outside the head, in face heights
JAW_BELOW = 0.16  # room below the chin for a jaw that drops, in face heights
FEATHER_OTHERS = 0.1  # the same around other people's heads, which stay as they are in the photo
DRIFT_REACH = 0.08  # standard deviation of what counts as a slow colour difference, as a share of the frame
SAME_COLOUR = 0.08  # colours that differ by more than about this show different things, not drift
LEAST_WEIGHT = 0.02  # of the overall drift where nothing comparable is near


@dataclass(frozen=True)
class Seat:
    """Where the square sits in the photo and how it is blended; everything that is the same for every frame."""

    crop: Box
    photo: np.ndarray  # (h, w, 3 or 4) float32, the whole photo
    portrait: np.ndarray  # (fh, fw, 3) float32, what the engine was given
    detail: np.ndarray  # (ch, cw, 3) what the crop has and the enlarged portrait has not
    places: np.ndarray  # (ch, cw, 2) where in a frame each pixel of the crop lies
    cover: np.ndarray  # (ch, cw) opacity of the frame


def paste_back(
    clip: Clip,
    photo: np.ndarray,
    crop: Box,
    portrait: np.ndarray | None = None,
    face: np.ndarray | None = None,
    others: Sequence[np.ndarray] = (),
) -> Clip:
    """The photo with the clip's face moving in it; as large as the photo.

    `photo`: uint8 (h, w, 3), or with alpha (h, w, 4), which the result keeps where the clip has alpha and which is
    laid over white where not; `crop`: the part the clip shows; `portrait`: uint8, the crop as the engine got it (left
    out: resized here); `face`: its landmarks (478, 2 or 3) in photo pixels, which shape the blend (left out: an oval);
    `others`: those of other people in the photo, who are left alone. Raises InputError when the crop does not lie in
    the photo.
    """
    if photo.shape[2] > clip.channels:
        photo = laid_over(photo, np.full((*photo.shape[:2], 3), 255, np.uint8))  # white
    seat = make_seat(photo, crop, (clip.width, clip.height), portrait, face, others)
    estimator = FlowEstimator(clip.height, clip.width, exact=False)
    still = estimator.shrink(seat.portrait)
    height, width = seat.photo.shape[:2]
    return mapped(clip, lambda _, frame: pasted(seat, frame, estimator, still), width=width, height=height)


def make_seat(
    photo: np.ndarray,
    crop: Box,
    size: tuple[int, int],
    portrait: np.ndarray | None = None,
    face: np.ndarray | None = None,
    others: Sequence[np.ndarray] = (),
) -> Seat:
    """What `paste_back` prepares once. `size` is the clip's (width, height)."""
    height, width = photo.shape[:2]
    x1, y1, x2, y2 = crop
    if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
        raise InputError(f"the crop {crop} does not lie in the photo of {width} x {height} pixels")
    whole = photo.astype(np.float32) / 255
    inside = whole[y1:y2, x1:x2]
    if portrait is None or portrait.shape[:2] != size[::-1]:
        method = cv2.INTER_AREA if size[0] < x2 - x1 else cv2.INTER_LANCZOS4
        given = cv2.resize(inside, size, interpolation=method).clip(0, 1)
    else:
        given = portrait.astype(np.float32) / 255
    places = frame_positions(inside.shape[:2], size)
    detail = inside - sampled(given, places, cv2.INTER_CUBIC)
    return Seat(crop, whole, given, detail, places, cover_of(crop, (width, height), face, others))


def pasted(seat: Seat, frame: np.ndarray, estimator: FlowEstimator, still: np.ndarray) -> np.ndarray:
    """One frame (fh, fw, 3) in the photo: (h, w, 3). `still` is the portrait at the small size of flow.

    What is smooth (motion, drift, where it holds) is worked out at the small size and enlarged.
    """
    x1, y1, x2, y2 = seat.crop
    size = (x2 - x1, y2 - y1)
    small = estimator.shrink(frame)
    before, now = grey(still), grey(small)
    there, back = estimator.between(before, now), estimator.between(now, before)
    kept = np.minimum(visibility(back, there), 1)
    even = frame.copy()
    even[..., :3] += cv2.resize(drift(still, small, back, kept), estimator.size, interpolation=cv2.INTER_CUBIC)

    cover = cv2.resize(seat.cover, estimator.small, interpolation=cv2.INTER_AREA)
    fading = there * (1 - cover[..., None])
    origin = fading + warp(back, fading)  # from a pixel's place to where in the portrait it was
    to_frame, to_crop = (np.divide(to, estimator.small, dtype=np.float32) for to in (estimator.size, size))
    face = sampled(even, seat.places + cv2.resize(fading * to_frame, size), cv2.INTER_CUBIC)
    detail = warp(seat.detail, cv2.resize(origin * to_crop, size))
    channels = seat.photo.shape[2]
    face += detail * cv2.merge([cv2.resize(warp(kept, fading), size)] * channels)

    out = seat.photo.copy()
    inside = out[y1:y2, x1:x2]
    inside += (face - inside) * cv2.merge([seat.cover] * channels)
    np.clip(inside, 0, 1, out=inside)
    return out


def drift(portrait: np.ndarray, frame: np.ndarray, back: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """(h, w, 3) to add to the frame's colours, on any grid: the slow part of portrait minus frame, where both show the
    same."""
    difference = (warp(portrait, back) - frame)[..., :3]
    weight = kept * np.exp(-((np.abs(difference - np.median(difference, (0, 1))).max(-1) / SAME_COLOUR) ** 2))
    overall = (difference * weight[..., None]).sum((0, 1)) / max(float(weight.sum()), 1.0)
    known = (difference * weight[..., None] + LEAST_WEIGHT * overall) / (weight[..., None] + LEAST_WEIGHT)
    return spread(known, weight + LEAST_WEIGHT, DRIFT_REACH * min(frame.shape[:2]))


def cover_of(crop: Box, photo: tuple[int, int], face: np.ndarray | None, others: Sequence[np.ndarray]) -> np.ndarray:
    """(ch, cw) opacity of the frame: 1 on the head, fading outside it, 0 along sides that are not the photo's own."""
    x1, y1, x2, y2 = crop
    width, height = x2 - x1, y2 - y1
    corner = np.array([x1, y1], np.float32)
    if face is None:
        tall = 0.62 * height
        outline = np.array([[width / 2, height / 2]]) + tall * 0.6 * _circle() * [0.85, 1]
    else:
        tall = float(np.linalg.norm(face[FOREHEAD, :2] - face[CHIN, :2]))
        outline = head_outline(face) - corner
    feather = FEATHER * tall
    cover = faded(outline, (width, height), feather)
    own = 1.0 if face is None else faded(face[list(FACE_OVAL), :2] - corner, (width, height), feather / 4)
    for other in others:
        shape = faded(head_outline(other) - corner, (width, height), FEATHER_OTHERS * tall)
        cover = cover * (1 - shape * (1 - own))
    x, y = (np.arange(n, dtype=np.float32) + 0.5 for n in (width, height))
    far = np.float32(1e9)  # the photo's own border needs no blend
    edge_x = np.minimum(x if x1 > 0 else far, width - x if x2 < photo[0] else far)
    edge_y = np.minimum(y if y1 > 0 else far, height - y if y2 < photo[1] else far)
    edge = np.minimum(edge_x[None], edge_y[:, None])
    return (cover * smoothstep(edge / max(feather, 1))).astype(np.float32)


def head_outline(landmarks: np.ndarray) -> np.ndarray:
    """(k, 2) convex outline of hair, ears and chin, from the face's landmarks; it tilts with the head."""
    oval = landmarks[list(FACE_OVAL), :2]
    up = landmarks[FOREHEAD, :2] - landmarks[CHIN, :2]
    aside = np.array([-up[1], up[0]])
    reach = [oval + up * HAIR_ABOVE, oval - up * JAW_BELOW, oval + aside * HEAD_ASIDE, oval - aside * HEAD_ASIDE]
    return cv2.convexHull(np.concatenate(reach).astype(np.float32))[:, 0]


def faded(outline: np.ndarray, size: tuple[int, int], feather: float) -> np.ndarray:
    """(h, w): 1 inside an outline, falling to 0 `feather` pixels outside it."""
    shape = np.zeros(size[::-1], np.uint8)
    cv2.fillPoly(shape, [np.round(outline).astype(np.int32)], 1)
    if not shape.any():
        return np.zeros(size[::-1], np.float32)
    distance = cv2.distanceTransform(1 - shape, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return smoothstep(1 - distance / max(feather, 1))


def smoothstep(x: np.ndarray) -> np.ndarray:
    x = x.clip(0, 1)
    return x * x * (3 - 2 * x)


def frame_positions(crop: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """(ch, cw, 2): where in a frame of `size` (width, height) each pixel of the crop (height, width) lies."""
    scale = np.array([size[0] / crop[1], size[1] / crop[0]], np.float32)
    return (pixel_grid(*crop) + 0.5) * scale - 0.5


def _circle(points: int = 64) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], -1)
