"""Recorded movements of heads, lids, eyes and brows (`head_motion`) in the units of the lite engine's latents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonic_core.engines.lite.layout import FPS
from sonic_core.engines.lite.motion import QUIET_NATS
from sonic_core.engines.lite.savgol import steadied

FACE_CENTIMETRES = 17.7  # forehead 10 to chin 152 of MediaPipe's metric face
SHUT = 0.62  # MediaPipe's blink score of a lid that is shut, above its score when open
LARGEST_TURN = 25.0  # degrees from the clip's middle; beyond it the tracker, or the person, was somewhere else
MIRROR = np.float32([-1, 1, -1, -1, 1, 1, 1, 1, -1, 1, 1, 1])


@dataclass(frozen=True)
class LifeClip:
    life: np.ndarray  # (n, 12) channels 12-23 of the latent
    loudness: np.ndarray  # (n,) 0 silent to 1 loud, as `motion.loudness`
    style: np.ndarray  # (2,) log head movement and blinks a minute, standardised over the clips


def blinks_a_minute(lids: np.ndarray) -> float:
    """Blinks a minute of lids (n,), 0 open and 1 shut."""
    shut = lids > 0.5
    return float(np.sum(shut[1:] & ~shut[:-1]) / (len(lids) / FPS / 60))


def convert(track: np.ndarray) -> np.ndarray:
    """The latent channels (n, 12) of one clip's track (n, 13), relative to its median, which stands for the photo.

    The camera frame of the tracks has x to the viewer's right, y up, z towards the viewer.
    """
    track = track.astype(np.float32)
    # The tracker shakes a little in every frame, which is smoothed; only blinks are as fast.
    steady = [0, 1, 2, 3, 4, 5, 8, 9, 10, 11]
    track[:, steady] = steadied(track[:, steady])
    middle = np.median(track, 0)
    moved = track - middle
    rotation = moved[:, 0:3]
    translation = moved[:, 3:6] * np.float32([1, -1, -1]) / FACE_CENTIMETRES
    open_lid = np.percentile(track[:, 6:8], 30, 0)
    lids = np.clip((track[:, 6:8] - open_lid) / np.maximum(SHUT - 0.35 * open_lid, 0.3), -0.15, 1.1)
    return np.concatenate([rotation, translation, lids, moved[:, 8:10], moved[:, 10:12]], 1)


def load(data: Path) -> list[LifeClip]:
    """Every usable clip, with its mirror image."""
    stored = np.load(data / "head_motion" / "tracks.npz")
    ends = np.cumsum(stored["lengths"])
    lives, louds, styles = [], [], []
    for end, length in zip(ends, stored["lengths"], strict=True):
        track = stored["tracks"][end - length : end].astype(np.float32)
        life = convert(track)
        steady = np.abs(life[:, :3]).max() < LARGEST_TURN and np.abs(life[:, 3:6]).max() < 0.4
        if not steady:
            life, track = _steady_part(life, track)
            if len(life) < 2 * FPS:
                continue
        lives.append(life)
        nats = track[:, 12] - np.percentile(track[:, 12], 95)
        louds.append(np.clip(1 + nats / QUIET_NATS, 0, 1).astype(np.float32))
        lids = life[:, 6:8].mean(1)
        styles.append([np.log(life[:, :3].std(0).mean() + 0.1), min(blinks_a_minute(lids), 60.0)])
    values = np.array(styles, np.float32)
    values = (values - values.mean(0)) / values.std(0)
    clips = []
    for life, loud, style in zip(lives, louds, values, strict=True):
        clips.append(LifeClip(life, loud, style))
        mirrored = (life * MIRROR)[:, [0, 1, 2, 3, 4, 5, 7, 6, 8, 9, 10, 11]]
        clips.append(LifeClip(mirrored, loud, style))
    return clips


def _steady_part(life: np.ndarray, track: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The longest stretch of a clip that stays near its middle."""
    good = (np.abs(life[:, :3]).max(1) < LARGEST_TURN) & (np.abs(life[:, 3:6]).max(1) < 0.4)
    best, start = (0, 0), None
    for k, ok in enumerate([*good, False]):
        if ok and start is None:
            start = k
        if not ok and start is not None:
            best, start = max(best, (start, k), key=lambda span: span[1] - span[0]), None
    return convert(track[slice(*best)]), track[slice(*best)]


def window(clip: LifeClip, frames: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random stretch of `frames` frames, its tempo and loudness changed a little: life (frames, 12), loudness."""
    tempo = float(np.exp(rng.uniform(-0.2, 0.2)))
    length = len(clip.life)
    start = rng.uniform(0, max(0.0, length - 1 - (frames - 1) * tempo))
    at = np.clip(start + np.arange(frames) * tempo, 0, length - 1)
    low = np.floor(at).astype(int)
    high, share = np.minimum(low + 1, length - 1), (at - low)[:, None].astype(np.float32)
    life = clip.life[low] * (1 - share) + clip.life[high] * share
    loud = clip.loudness[low] * (1 - share[:, 0]) + clip.loudness[high] * share[:, 0]
    # The photo is any moment of the clip, not its median.
    life = life - np.concatenate([rng.normal(0, 0.15, 6) * clip.life[:, :6].std(0), np.zeros(6)])
    return life.astype(np.float32), (loud * rng.uniform(0.85, 1.1)).clip(0, 1).astype(np.float32)
