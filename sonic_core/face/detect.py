"""Finds faces in a picture and lays 478 landmarks on each (MediaPipe's topology), on the CPU.

A detector net sees the whole picture at a small size and finds eyes and mouths. A landmark net then looks several times
at an upright crop of each face and also decides whether it is a face at all. Region nets read lips and eyes again from
close up. This module knows pictures only: no files, no crops for engines, no identities. `training/face` made the nets;
docs/model-card-lite.md has their figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from sonic_core.errors import NoFaceError
from sonic_core.face import align, points, regions
from sonic_core.face.nets import (
    DETECTOR_STRIDE,
    LANDMARK_INPUT,
    REGION_INPUT,
    DetectorNet,
    LandmarkNet,
    RegionNet,
    fuse,
)
from sonic_core.threads import one_thread

WEIGHTS = Path(__file__).parent / "weights"
SHORT_SIDES = (224, 352)  # of the picture the detector sees: first, and a finer one when it found no face in that
LONGEST = 4  # short sides
LIKELY, CERTAIN = 0.3, 0.9  # detector presence to look closer, landmark presence to accept the face
TURNED = 1.0  # detector logit from which a face may lie on its side or stand on its head
DRAWN = 0.5  # landmark presence to accept the only face of a picture: drawings and statues score lower
PRESENT = 0.5  # landmark presence of a face that is being followed
HARDLY = 0.05  # landmark presence below which no further look is worth it
LOOKS = 4  # at most
# Movement from one look to the next, as a share of the face's size: faces settle, textures move on.
SETTLED, UNSTEADY = 0.01, 0.03
SMALLEST_PICTURE, SMALLEST_FACE = 16, 10  # px
MOST_FACES = 24
FEWEST_SURE = 0.1  # presence below which even a box given by hand holds no face
ROLLS = (
    0.0,
    30.0,
    -30.0,
    60.0,
    -60.0,
    90.0,
    -90.0,
    120.0,
    -120.0,
    150.0,
    -150.0,
    180.0,
)  # degrees; tried for a box given by hand
BESIDE, MUCH_SMALLER = 0.25, 0.12  # an ear: shares of the larger face's sides and area
RIGID = list(points.RIGID)


@dataclass(frozen=True)
class Face:
    """One face in a picture. Pixel (0, 0) has its centre at (0, 0)."""

    box: tuple[float, float, float, float]  # x1, y1, x2, y2 around the landmarks, px
    landmarks: np.ndarray  # (478, 3) float32, px; z in the same scale, smaller is nearer
    score: float  # 0 to 1, how surely it is a face


class FaceDetector:
    """The nets, loaded once. Safe to share: nothing changes after loading."""

    @one_thread()
    def __init__(self, folder: Path = WEIGHTS) -> None:
        tables = load_file(folder / "landmarks.safetensors")
        self._standard = tables.pop("standard").float().numpy()  # (478, 3) in crop units, -1 to 1
        self._standard_pixels = align.apply(align.unit_to_pixels(LANDMARK_INPUT), self._standard)
        self._landmarks = load_weights(LandmarkNet(), tables)
        self._detector = load_weights(DetectorNet(), load_file(folder / "detector.safetensors"))
        self._regions = {
            region.net: load_weights(RegionNet(len(region.points)), load_file(folder / f"{region.net}.safetensors"))
            for region in regions.REGIONS
        }

    @one_thread()
    def detect(self, image: np.ndarray) -> list[Face]:
        """Every face in image (h, w, 3) uint8 RGB, largest first; an empty list when there is none."""
        if min(image.shape[:2]) < SMALLEST_PICTURE:
            return []
        return self._search(image, CERTAIN)

    def _search(self, image: np.ndarray, certain: float) -> list[Face]:
        """Faces whose landmark presence reaches `certain`.

        The detector sees the picture turned each way: a face that lies on its side or stands on its head looks most
        like one when it is upright, while the landmark net would see a face in it either way.
        """
        for short_side in SHORT_SIDES:
            seen = []
            for quarters in range(4):
                aims, heat = self._propose(np.ascontiguousarray(np.rot90(image, quarters)), short_side)
                if quarters == 0 or heat > TURNED:
                    seen.append((heat, align.compose(aims, _quarter_turn(image, quarters))))
            for _, aims in sorted(seen, key=lambda one: -one[0]):
                faces = self._settle(image, aims, certain)
                if faces:
                    return faces
        return []

    def pick(self, image: np.ndarray, index: int = 0) -> Face:
        """The face with this index, counted from the largest. Raises NoFaceError when there is none."""
        faces = self.detect(image) or self._search(image, DRAWN)
        if not faces:
            height, width = image.shape[:2]
            raise NoFaceError(
                f"no face was found in the image of {width} x {height} pixels; "
                "use a photo that shows one clearly, or give its box as x1 y1 x2 y2"
            )
        if not 0 <= index < len(faces):
            there = "only face 0" if len(faces) == 1 else f"faces 0 to {len(faces) - 1}, counted from the largest"
            raise NoFaceError(f"face {index} was asked for but the image has {there}")
        return faces[index]

    @one_thread()
    def landmarks_in(self, image: np.ndarray, box: Sequence[float]) -> Face:
        """The face in a box given by hand (x1, y1, x2, y2, px). Raises NoFaceError when there is no face in it."""
        x1, y1, x2, y2 = (float(v) for v in box)
        centre, size = np.array([(x1 + x2) / 2, (y1 + y2) / 2]), np.sqrt(max(x2 - x1, 1.0) * max(y2 - y1, 1.0))
        low, high = self._standard_pixels[:, :2].min(0), self._standard_pixels[:, :2].max(0)
        scale = np.sqrt(np.prod(high - low)) / size
        aims = []
        for roll in ROLLS:
            cos, sin = scale * np.cos(np.radians(roll)), scale * np.sin(np.radians(roll))
            linear = np.array([[cos, sin], [-sin, cos]])
            aims.append(np.concatenate([linear, ((low + high) / 2 - linear @ centre)[:, None]], 1))
        first, sure = self._look(image, np.stack(aims))
        again, sure = self._look(image, self._aim(first))
        best = int(sure.argmax())
        if sure[best] < FEWEST_SURE:
            shown = ", ".join(f"{v:g}" for v in (x1, y1, x2, y2))
            raise NoFaceError(f"nothing in the box {shown} looks like a face; give a box that fits one closely")
        found, sure = self._look(image, self._aim(again[best : best + 1]))
        return _face(self._sharpen([image], found)[0], float(sure[0]))

    @one_thread()
    def track(self, frame: np.ndarray, previous: Face) -> Face:
        """The same face in the next frame (h, w, 3) uint8; see `track_all`."""
        return self.track_all([frame], previous)[0]

    def track_all(self, frames: Sequence[np.ndarray], previous: Face) -> list[Face]:
        """The face `previous` in frames that follow it closely, without searching: one look a frame.

        All frames are cropped alike, around `previous`, which keeps still points still; so give a second of video or
        less at a time, and go on from the last face. A `score` below PRESENT says that the face has left.
        """
        if not len(frames):
            return []
        aim = self._aim(previous.landmarks[None])
        crops = np.stack([align.cut(frame, aim[0], LANDMARK_INPUT) for frame in frames])
        found, sure = self._read(crops, np.repeat(aim, len(crops), 0))
        found = self._sharpen(frames, found)
        return [_face(marks, float(score)) for marks, score in zip(found, sure, strict=True)]

    def _propose(self, image: np.ndarray, short_side: int) -> tuple[np.ndarray, float]:
        """Where faces may be, surest first: similarities (k, 2, 3) from picture to landmark crop, and scores (k,)."""
        height, width = image.shape[:2]
        scale = min(short_side / min(height, width), LONGEST * short_side / max(height, width))
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        small = cv2.copyMakeBorder(small, 0, -size[1] % 32, 0, -size[0] % 32, cv2.BORDER_REPLICATE)
        with torch.inference_mode():
            output = self._detector(to_pixels(small[None]))[0]
            heat = torch.sigmoid(output[0])
            peaks = (heat == nn.functional.max_pool2d(heat[None], 3, 1, 1)[0]) & (heat > LIKELY)
        y, x = (v.numpy() for v in peaks.nonzero(as_tuple=True))
        order = np.argsort(-heat.numpy()[y, x])[:MOST_FACES]
        y, x = y[order], x[order]
        values = output.numpy()[:, y, x].T  # (k, 8)
        keys = values[:, 2:].reshape(-1, 3, 2) * np.exp(values[:, 1])[:, None, None] + np.stack([x, y], -1)[:, None]
        ratio = np.array([width, height]) / size
        keys = ((keys + 0.5) * DETECTOR_STRIDE) * ratio - 0.5
        target = points.keypoints(self._standard_pixels)[:, :2]
        aims = align.fit(keys, np.broadcast_to(target, keys.shape))
        side = LANDMARK_INPUT / np.maximum(align.scale_of(aims), 1e-6)  # of the crop, in px of the picture
        return aims[(side > 8) & (side < 4 * max(height, width))], float(output[0].max())

    def _settle(self, image: np.ndarray, aims: np.ndarray, certain: float) -> list[Face]:
        """The faces among proposed crops (k, 2, 3): each is looked at several times and must stay put."""
        if not len(aims):
            return []
        found, sure = self._look(image, aims)  # badly aimed, and so not to be judged by
        for _ in range(LOOKS - 1):  # each look aims the next
            before = found
            found, sure = self._look(image, self._aim(before))
            movement = _movement(before, found)
            kept = sure > HARDLY
            found, sure, movement = found[kept], sure[kept], movement[kept]
            if not len(found):
                return []
            if movement.max() < SETTLED:
                break
        believed = (movement < UNSTEADY) & (sure > certain) & (np.ptp(found[..., :2], axis=1).min(1) > SMALLEST_FACE)
        found, sure = found[believed], sure[believed]
        if not len(found):
            return []
        found = self._sharpen([image] * len(found), found)
        return _without_doubles([_face(marks, float(score)) for marks, score in zip(found, sure, strict=True)])

    def _aim(self, landmarks: np.ndarray) -> np.ndarray:
        """The upright crops (k, 2, 3) for faces whose landmarks (k, 478, 3) are roughly known."""
        target = np.broadcast_to(self._standard_pixels[RIGID, :2], (len(landmarks), len(RIGID), 2))
        return align.fit(landmarks[:, RIGID, :2].astype(np.float64), target)

    def _look(self, image: np.ndarray, aims: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One pass of the landmark net over crops of one picture: landmarks (k, 478, 3) px, presence (k,)."""
        return self._read(np.stack([align.cut(image, aim, LANDMARK_INPUT) for aim in aims]), aims)

    def _read(self, crops: np.ndarray, aims: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            units, logits = self._landmarks(to_pixels(crops))
            presence = torch.sigmoid(logits).numpy()
        in_crop = align.apply(align.unit_to_pixels(LANDMARK_INPUT), units.numpy())
        return align.apply(align.invert(aims), in_crop).astype(np.float32), presence

    def _sharpen(self, images: Sequence[np.ndarray], landmarks: np.ndarray) -> np.ndarray:
        """Lips, lids and irises read again from close up, one face of each of n images: (n, 478, 3) -> the same."""
        sharp = landmarks.copy()
        for region in regions.REGIONS:
            aims = align.compose(align.unit_to_pixels(REGION_INPUT), regions.aim(region, landmarks))
            crops = [align.cut(image, one, REGION_INPUT) for image, one in zip(images, aims, strict=True)]
            with torch.inference_mode():
                units = self._regions[region.net](to_pixels(np.stack(crops))).numpy()
            read = align.apply(align.unit_to_pixels(REGION_INPUT), units)
            sharp[:, list(region.points), :2] = align.apply(align.invert(aims), read)
        return sharp


def _quarter_turn(image: np.ndarray, quarters: int) -> np.ndarray:
    """The (2, 3) transform from pixels of a picture to those of `np.rot90(picture, quarters)`."""
    height, width = image.shape[:2]
    return np.array(
        [
            [[1, 0, 0], [0, 1, 0]],
            [[0, 1, 0], [-1, 0, width - 1]],
            [[-1, 0, width - 1], [0, -1, height - 1]],
            [[0, -1, height - 1], [1, 0, 0]],
        ][quarters],
        np.float64,
    )


def to_pixels(images: np.ndarray) -> torch.Tensor:
    """uint8 (n, h, w, 3) -> float (n, 3, h, w) in [0, 1], channels last in memory."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255)


def load_weights(net: nn.Module, tensors: dict[str, torch.Tensor]) -> nn.Module:
    """A net for inference, float32, batch norms folded away."""
    net.load_state_dict(tensors)
    return fuse(net.float().eval()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _face(landmarks: np.ndarray, score: float) -> Face:
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    return Face((float(low[0]), float(low[1]), float(high[0]), float(high[1])), landmarks, float(score))


def _movement(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Mean movement of landmarks (k, 478, 3), as a share of the size of the face, (k,)."""
    sides = np.ptp(after[..., :2], axis=1)
    return np.linalg.norm(after[..., :2] - before[..., :2], axis=-1).mean(1) / np.sqrt(sides.prod(-1))


def _area(face: Face) -> float:
    x1, y1, x2, y2 = face.box
    return (x2 - x1) * (y2 - y1)


def _overlap(a: Face, b: Face) -> float:
    """Shared area over the smaller one's."""
    width = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    height = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    return max(width, 0.0) * max(height, 0.0) / max(min(_area(a), _area(b)), 1e-6)


def _near(small: Face, large: Face) -> bool:
    """Whether a face is so small and so close to a larger one that it must be that one's ear or hair."""
    x1, y1, x2, y2 = large.box
    x, y = (small.box[0] + small.box[2]) / 2, (small.box[1] + small.box[3]) / 2
    beside_x, beside_y = BESIDE * (x2 - x1), BESIDE * (y2 - y1)
    inside = x1 - beside_x < x < x2 + beside_x and y1 - beside_y < y < y2 + beside_y
    return inside and _area(small) < MUCH_SMALLER * _area(large)


def _without_doubles(faces: list[Face]) -> list[Face]:
    """The surest of each group of overlapping faces, without ears, largest first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(_overlap(face, other) < 0.5 for other in kept):
            kept.append(face)
    kept = [face for face in kept if not any(_near(face, other) for other in kept)]
    return sorted(kept, key=_area, reverse=True)
