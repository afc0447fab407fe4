"""A talking face with a known truth, a photo warped by recorded lips, to measure the finishing stages with.

The tracked speech of a GRID clip and recorded head motion move the landmarks of a photo. The picture follows them, and
the mouth opens on a drawn cavity. It can be drawn at any time, so that the truth between two frames is known, too. This
is a test object, not the product's renderer. Needs the data folder (`--data` of the benchmarks).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from scipy.spatial import Delaunay

from sonic_core.clip import Audio, Clip
from sonic_core.face.points import CHIN, FOREHEAD, INNER_LIPS

CLOSED = 1.5  # pixels of inner-lip distance at rest, at 512


@dataclass(frozen=True)
class Speech:
    """`moves` (n, 478, 2) from rest in face heights, 25 fps; `head` (n, 3): x, y in face heights, roll in radians."""

    moves: np.ndarray
    head: np.ndarray
    audio: Audio


def load_speech(data: Path, names: list[str], head_clip: int = 0) -> Speech:
    """Several GRID clips one after another, and head motion over them."""
    table = np.load(data / "grid_s1" / "motion.npz")
    starts = np.concatenate([[0], np.cumsum(table["lengths"])])
    known = list(table["names"])
    mean, basis = table["mean"].astype(np.float32), table["basis"].astype(np.float32)
    height = np.linalg.norm(mean[FOREHEAD] - mean[CHIN])
    moves, sounds = [], []
    for name in names:
        index = known.index(name)
        coefficients = table["coefficients"][starts[index] : starts[index + 1]].astype(np.float32)
        points = mean + np.einsum("nk,kpc->npc", coefficients, basis)
        gap = np.linalg.norm(points[:, 13] - points[:, 14], axis=-1)
        rest = points[np.argsort(gap)[:5]].mean(0)
        moves.append((points - rest)[..., :2] / height)
        sounds.append(_sound(data / "grid_s1" / "audio" / f"{name}.opus", len(points)))
    return Speech(
        np.concatenate(moves), _head(data, sum(map(len, moves)), head_clip), Audio(np.concatenate(sounds)[None], 16000)
    )


def _sound(path: Path, frames: int) -> np.ndarray:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=16000)
        blocks = [b.to_ndarray()[0] for f in container.decode(audio=0) for b in resampler.resample(f)]
    samples = np.concatenate(blocks)[: frames * 640]
    return np.pad(samples, (0, frames * 640 - len(samples)))


def _head(data: Path, count: int, clip: int) -> np.ndarray:
    table = np.load(data / "head_motion" / "tracks.npz")
    starts = np.concatenate([[0], np.cumsum(table["lengths"])])
    track = table["tracks"][starts[clip] : starts[clip + 1]].astype(np.float32)
    track = np.concatenate([track, track[::-1]] * (count // len(track) + 1))[:count]
    head = np.stack([track[:, 3] / 18, track[:, 4] / 18, np.radians(track[:, 2])], -1)  # 18 cm is a face height
    head = head - head.mean(0)
    kernel = np.exp(-0.5 * (np.arange(-8, 9) / 2.5) ** 2)  # takes the tracker's noise out, since the truth is smooth
    padded = np.pad(head, ((8, 8), (0, 0)), mode="edge")
    return np.stack([np.convolve(padded[:, i], kernel / kernel.sum(), "valid") for i in range(3)], -1).clip(-0.06, 0.06)


class Puppet:
    """Draws the photo at any time of a speech. `size` is the side of the square picture."""

    def __init__(self, photo: np.ndarray, landmarks: np.ndarray, speech: Speech, size: int = 512) -> None:
        scale = size / photo.shape[0]
        self.photo = cv2.resize(photo, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
        self.size, self.speech = size, speech
        self.landmarks = (landmarks[:, :2] + 0.5) * scale - 0.5
        self.height = float(np.linalg.norm(self.landmarks[FOREHEAD] - self.landmarks[CHIN]))
        self.centre = self.landmarks.mean(0)
        # A pixel moves as the triangle around it does, whose corners are landmarks, a ring of hair that follows the
        # head, and points of the border, which stand still.
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        ring = self.centre + 0.85 * self.height * np.stack([np.sin(angles), np.cos(angles) - 0.1], -1)
        edge = np.linspace(0, size - 1, 5)
        border = [[x, y] for x in edge for y in edge if min(x, y) == 0 or max(x, y) == size - 1]
        self.ring = ring
        self.anchors = np.concatenate([self.landmarks, ring.clip(4, size - 5), border])
        triangles = Delaunay(self.anchors)
        y, x = np.mgrid[0:size:2, 0:size:2]
        grid = np.stack([x, y], -1).reshape(-1, 2).astype(np.float64)
        inside = triangles.find_simplex(grid)
        corner = triangles.transform[inside]
        two = np.einsum("nij,nj->ni", corner[:, :2], grid - corner[:, 2])
        self.weights = np.concatenate([two, 1 - two.sum(1, keepdims=True)], 1)
        self.weights[inside < 0] = 0
        self.corners = triangles.simplices[inside]

    def points(self, time: float) -> np.ndarray:
        """(478, 2) landmark positions in pixels at a time in seconds."""
        move, _ = self._at(time)
        return self._rigid(self.landmarks + move, time)

    def opening(self, time: float) -> float:
        points = self.points(time)
        return float(np.linalg.norm(points[13] - points[14]) / self.height)

    def draw(self, time: float) -> np.ndarray:
        """The picture at a time in seconds: float32 (size, size, 3)."""
        target = np.concatenate([self.points(time), self._rigid(self.ring, time), self.anchors[478 + len(self.ring) :]])
        moved = target - self.anchors
        field = np.einsum("nk,nkc->nc", self.weights, moved[self.corners])
        side = (self.size + 1) // 2
        flow = cv2.resize(field.reshape(side, side, 2).astype(np.float32), (self.size, self.size))
        offset = -flow
        for _ in range(6):
            offset = -_warp(flow, offset)
        picture = _warp(self.photo, cv2.GaussianBlur(offset, (0, 0), 1.0))
        return self._open_mouth(picture, target[:478])

    def clip(self, fps: Fraction = Fraction(25), seconds: float | None = None, start: float = 0.0) -> Clip:
        seconds = len(self.speech.moves) / 25 if seconds is None else seconds
        count = round(seconds * fps)
        return Clip(
            self.size, self.size, count, fps,
            lambda: (self.draw(start + float(k / fps))[None] for k in range(count)),
            self.speech.audio,
        )  # fmt: skip

    def _at(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        position = min(max(time * 25, 0), len(self.speech.moves) - 1.001)
        i, t = int(position), position - int(position)
        t = t * t * (3 - 2 * t)
        move = self.speech.moves[i] * (1 - t) + self.speech.moves[i + 1] * t
        head = self.speech.head[i] * (1 - t) + self.speech.head[i + 1] * t
        return move * self.height, head

    def _rigid(self, points: np.ndarray, time: float) -> np.ndarray:
        x, y, roll = self._at(time)[1]
        turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        return (points - self.centre) @ turn + self.centre + np.array([x, y]) * self.height

    def _open_mouth(self, picture: np.ndarray, points: np.ndarray) -> np.ndarray:
        lips = points[list(INNER_LIPS)]
        gap = np.linalg.norm(points[13] - points[14]) * 512 / self.size
        cover = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(cover, [np.round(lips * 256).astype(np.int32)], 255, cv2.LINE_AA, 8)
        alpha = cv2.GaussianBlur(cover.astype(np.float32) / 255, (0, 0), 0.8)[..., None]
        alpha = alpha * min(max((gap - CLOSED) / 3, 0), 1)
        y = np.mgrid[0 : self.size, 0 : self.size][0].astype(np.float32)[..., None]
        teeth = np.clip((points[13, 1] + 0.035 * self.height - y) / 2, 0, 1)
        cavity = np.array([0.22, 0.08, 0.08], np.float32) * (1 - teeth) + np.array([0.8, 0.76, 0.7], np.float32) * teeth
        return (picture * (1 - alpha) + cavity * alpha).clip(0, 1).astype(np.float32)


def _warp(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[0 : flow.shape[0], 0 : flow.shape[1]].astype(np.float32)
    return cv2.remap(image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def load_puppet(data: Path, face: str, names: list[str], size: int = 512, head_clip: int = 0) -> Puppet:
    """`face` is the name of a picture of the faces folder without .jpg."""
    table = np.load(data / "faces" / "landmarks.npz")
    index = [str(n).removesuffix(".jpg") for n in table["names"]].index(face)
    photo = cv2.cvtColor(cv2.imread(str(data / "faces" / f"{face}.jpg")), cv2.COLOR_BGR2RGB)
    return Puppet(photo, table["landmarks"][index].astype(np.float64), load_speech(data, names, head_clip), size)
