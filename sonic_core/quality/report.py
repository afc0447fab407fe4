"""A quality report of a talking video: lips and sound, steadiness, blinking, likeness, sharpness.

The clip is read once, and a few numbers are kept for each frame. The fields of `Report` say what each figure means;
none of them replaces a viewer's judgement.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from sonic_core.clip import Clip
from sonic_core.errors import InputError
from sonic_core.face import align
from sonic_core.face.points import LEFT_LID_PAIRS, RIGHT_LID_PAIRS, RIGID
from sonic_core.face.tracker import FaceTracker, Tracker, face_height, lip_shape
from sonic_core.quality.lip_sync import Alignment, Listener, compare, speech_opening

SIDE = 192  # of the aligned face on which likeness and sharpness are measured
BLINK, OPEN_AGAIN = 0.5, 0.75  # of the usual eye opening
LONGEST_BLINK = 0.6  # seconds

# Two aligned faces (SIDE, SIDE, 3) float32 in [0, 1] -> how alike they are, 1 for the same
Likeness = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Report:
    """Figures of one video; None where one cannot be measured (no sound, no face, no portrait)."""

    seconds: float
    faces: float  # share of frames in which a face was found
    offset: float | None  # seconds by which the lips come after the sound
    offset_confidence: float | None  # 0 to 1
    lip_speech_correlation: float | None  # of the lips' shape and the opening the speech implies, at that offset
    jitter: float | None  # RMS second difference of points that should be still, in thousandths of the face's height
    flicker: float  # RMS second difference of the log brightness, in percent
    blinks_per_minute: float | None
    likeness: float | None  # mean SSIM of the upper face with the portrait's
    sharpness: float | None  # mean gradient of the face, aligned to one size, in grey levels


@dataclass(frozen=True)
class Tracks:
    """The numbers kept of each frame: (n,) or (n, k, 2); NaN where there was no face."""

    lips: np.ndarray  # (n, 2) gap and height of the lips, shares of the face's height
    eyes: np.ndarray  # opening of the eyes, share of the face's height
    still: np.ndarray  # points that should be still, px
    height: np.ndarray  # of the face, px
    brightness: np.ndarray  # mean log
    likeness: np.ndarray
    sharpness: np.ndarray

    @property
    def opening(self) -> np.ndarray:
        """(n,) distance of the inner lips."""
        return self.lips[:, 0]


def evaluate(
    clip: Clip,
    portrait: np.ndarray | None = None,
    new_tracker: Callable[[], Tracker] = FaceTracker,
    listener: Listener = speech_opening,
    likeness: Likeness | None = None,
) -> tuple[Report, Tracks]:
    """Measure a clip. `portrait`: uint8 (h, w, 3) to compare the face with. `likeness` replaces SSIM.

    Raises InputError for a portrait without a face.
    """
    tracks = observe(clip, portrait, new_tracker, likeness or upper_face_ssim)
    found: Alignment | None = None
    if clip.audio is not None and np.isfinite(tracks.lips).any():
        found = compare(tracks.lips, clip.audio, float(clip.fps), listener)
    return report(clip, tracks, found), tracks


def observe(clip: Clip, portrait: np.ndarray | None, new_tracker: Callable[[], Tracker], likeness: Likeness) -> Tracks:
    wanted = None
    if portrait is not None:
        landmarks = new_tracker()(portrait)
        if landmarks is None:
            raise InputError("no face was found in the portrait; give the photo the video was made from")
        wanted = aligned_face(portrait, landmarks)
    tracker = new_tracker()
    rows = [observe_frame(picture, tracker(picture), wanted, likeness) for picture in clip.pictures()]
    height = np.array([row[3] for row in rows])
    usual = np.nanmedian(height) if np.isfinite(height).any() else math.nan
    return Tracks(
        lips=np.stack([row[0] for row in rows]) / usual,
        eyes=np.array([row[1] for row in rows]) / usual,
        still=np.stack([row[2] for row in rows]),
        height=height,
        brightness=np.array([row[4] for row in rows]),
        likeness=np.array([row[5] for row in rows]),
        sharpness=np.array([row[6] for row in rows]),
    )


def observe_frame(
    picture: np.ndarray, landmarks: np.ndarray | None, wanted: np.ndarray | None, likeness: Likeness
) -> tuple:
    """One row for a picture (h, w, 3) uint8: lip shape, eye opening, still points, face height, brightness, likeness,
    sharpness."""
    brightness = math.log(float(np.mean(cv2.mean(picture)[:3])) / 255 + 1e-3)
    if landmarks is None:
        nothing = np.full((len(RIGID), 2), math.nan)
        return np.full(2, math.nan), math.nan, nothing, math.nan, brightness, math.nan, math.nan
    face = aligned_face(picture, landmarks)
    alike = math.nan if wanted is None else likeness(face, wanted)
    still = landmarks[list(RIGID), :2].astype(np.float64)
    return (
        lip_shape(landmarks), eye_gap(landmarks), still, face_height(landmarks), brightness, alike, gradient(face),
    )  # fmt: skip


def report(clip: Clip, tracks: Tracks, found: Alignment | None) -> Report:
    faces = float(np.isfinite(tracks.height).mean())
    return Report(
        seconds=round(clip.seconds, 3),
        faces=round(faces, 4),
        offset=None if found is None else round(found.offset, 4),
        offset_confidence=None if found is None else round(found.confidence, 4),
        lip_speech_correlation=None if found is None else round(found.correlation, 4),
        jitter=_rounded(jitter(tracks.still, tracks.height)),
        flicker=round(flicker(tracks.brightness), 4),
        blinks_per_minute=_rounded(blinks_per_minute(tracks.eyes, float(clip.fps)), 1),
        likeness=_rounded(_mean(tracks.likeness)),
        sharpness=_rounded(_mean(tracks.sharpness)),
    )


def jitter(still: np.ndarray, height: np.ndarray) -> float:
    """RMS over frames and points of the second difference, in thousandths of the face's height."""
    bend = np.diff(still, 2, axis=0) if len(still) > 2 else np.zeros((0, 1, 2))
    bend = bend[np.isfinite(bend).all((1, 2))]
    if not len(bend):
        return math.nan
    return float(1000 * np.sqrt((bend**2).sum(-1).mean()) / np.nanmedian(height))


def flicker(brightness: np.ndarray) -> float:
    """RMS second difference of the log brightness (n,), in percent."""
    return float(100 * np.sqrt((np.diff(brightness, 2) ** 2).mean())) if len(brightness) > 2 else 0.0


def blinks_per_minute(eyes: np.ndarray, fps: float) -> float:
    """Blinks a minute: the lids come under half their usual opening and soon open again."""
    known = eyes[np.isfinite(eyes)]
    if len(known) < fps:
        return math.nan
    usual = float(np.percentile(known, 75))
    count, shut_since = 0, -1
    for index, opening in enumerate(known):
        if shut_since < 0 and opening < BLINK * usual:
            shut_since = index
        elif shut_since >= 0 and opening > OPEN_AGAIN * usual:
            count += (index - shut_since) / fps <= LONGEST_BLINK
            shut_since = -1
    return 60 * count * fps / len(known)


def eye_gap(landmarks: np.ndarray) -> float:
    """Mean distance of the lids over both eyes, px."""
    pairs = np.array([*RIGHT_LID_PAIRS, *LEFT_LID_PAIRS])
    return float(np.linalg.norm(landmarks[pairs[:, 0], :2] - landmarks[pairs[:, 1], :2], axis=-1).mean())


def aligned_face(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The face of a picture (h, w, 3) uint8, upright with level eyes: (SIDE, SIDE, 3) float32 in [0, 1].

    Forehead to chin is about the height of the crop.
    """
    right, left = landmarks[33, :2], landmarks[263, :2]
    eyes = np.stack([right, left]).astype(np.float64)
    target = np.array([[0.29, 0.4], [0.71, 0.4]]) * SIDE
    matrix = align.fit(eyes, target)
    method = cv2.INTER_AREA if align.scale_of(matrix) < 0.5 else cv2.INTER_CUBIC
    if method == cv2.INTER_AREA:  # shrink by areas first: warpAffine alone would alias
        shrink = float(2 * align.scale_of(matrix))
        size = max(1, round(picture.shape[1] * shrink)), max(1, round(picture.shape[0] * shrink))
        scale = np.array([size[0] / picture.shape[1], size[1] / picture.shape[0]])
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        matrix = align.fit((eyes + 0.5) * scale - 0.5, target)
    face = cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return face / np.float32(255)


def upper_face_ssim(face: np.ndarray, portrait: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004) of the part above the nose tip, in grey."""
    rows = slice(round(0.1 * SIDE), round(0.62 * SIDE))
    a, b = (cv2.cvtColor(x.clip(0, 1), cv2.COLOR_RGB2GRAY)[rows, SIDE // 8 : -SIDE // 8] for x in (face, portrait))
    blur = lambda x: cv2.GaussianBlur(x, (11, 11), 1.5)  # noqa: E731
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    shared = blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    ssim = (2 * mean_a * mean_b + c1) * (2 * shared + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return float(ssim.mean())


def gradient(face: np.ndarray) -> float:
    """Mean gradient magnitude in grey levels a pixel."""
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) * 255
    x, y = (cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
    return float(np.hypot(x, y).mean())


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan


def _rounded(value: float, digits: int = 4) -> float | None:
    return round(value, digits) if math.isfinite(value) else None
