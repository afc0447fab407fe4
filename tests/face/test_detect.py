"""The shipped nets on the shipped portrait: scale, roll, light, no face, hand-given boxes, tracking."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sonic_core.errors import NoFaceError
from sonic_core.face import points
from sonic_core.face.detect import Face, FaceDetector

PORTRAIT = Path(__file__).parents[2] / "web" / "samples" / "sonic_portrait.jpg"


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="module")
def photo(portrait_path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(portrait_path)), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def face(detector: FaceDetector, photo: np.ndarray) -> Face:
    return detector.pick(photo)


def ocular(face: Face) -> float:
    right, left = points.keypoints(face.landmarks[:, :2])[:2]
    return float(np.linalg.norm(left - right))


def placed(photo: np.ndarray, face: Face, share: float, roll: float, size: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """The portrait in a grey picture, its face `share` of the side and rolled; and the matrix that put it there."""
    x1, y1, x2, y2 = face.box
    scale = share * size / max(x2 - x1, y2 - y1)
    matrix = cv2.getRotationMatrix2D(((x1 + x2) / 2, (y1 + y2) / 2), roll, scale)
    matrix[:, 2] += size / 2 - np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    source = photo if scale > 0.5 else cv2.GaussianBlur(photo, (0, 0), 0.4 / scale)
    return cv2.warpAffine(source, matrix, (size, size), borderValue=(120, 120, 120)), matrix


def test_the_portrait_has_one_face_with_everything_in_order(
    photo: np.ndarray, face: Face, detector: FaceDetector
) -> None:
    assert len(detector.detect(photo)) == 1
    assert face.landmarks.shape == (478, 3) and face.landmarks.dtype == np.float32
    assert 0.5 < face.score <= 1
    right, left, mouth = points.keypoints(face.landmarks[:, :2])
    assert right[0] < left[0] and mouth[1] > max(right[1], left[1])
    low, high = face.landmarks[:, :2].min(0), face.landmarks[:, :2].max(0)
    np.testing.assert_allclose(face.box, [*low, *high], rtol=1e-5)


@pytest.mark.parametrize("roll", [-45, -20, 0, 20, 45])
@pytest.mark.parametrize("share", [0.08, 0.2, 0.5, 0.8])
def test_finds_it_small_large_and_tilted(
    detector: FaceDetector, photo: np.ndarray, face: Face, share: float, roll: float
) -> None:
    picture, matrix = placed(photo, face, share, roll)
    found = detector.pick(picture)
    expected = face.landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    error = np.linalg.norm(found.landmarks[:, :2] - expected, axis=1).mean() / np.linalg.norm(
        expected[33] - expected[263]
    )
    assert error < (0.05 if share < 0.1 else 0.03)


def test_grey_and_dark_pictures(detector: FaceDetector, photo: np.ndarray, face: Face) -> None:
    grey = np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, -1)
    for picture in (grey, (photo * 0.35).astype(np.uint8)):
        found = detector.pick(picture)
        assert np.linalg.norm(found.landmarks - face.landmarks, axis=1).mean() < 0.1 * ocular(face)


def test_two_faces_come_largest_first(detector: FaceDetector, photo: np.ndarray, face: Face) -> None:
    small, _ = placed(photo, face, 0.25, 0)
    large, _ = placed(photo, face, 0.5, 0)
    both = np.concatenate([small, large], 1)
    faces = detector.detect(both)
    assert [round(f.box[0] / 600 - 0.35) for f in faces] == [1, 0]
    assert detector.pick(both, 1).box == faces[1].box
    with pytest.raises(NoFaceError, match="faces 0 to 1"):
        detector.pick(both, 2)


def textures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:480, :640]
    stripes = np.uint8(127 + 120 * np.sin(x / 9 + y / 31))
    blobs = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
    return [
        np.zeros((480, 640, 3), np.uint8),
        rng.integers(0, 255, (480, 640, 3), np.uint8),
        np.repeat(stripes[..., None], 3, -1),
        blobs,
        np.uint8(np.indices((480, 640)).sum(0)[..., None] // 40 % 2 * 200 + np.zeros(3)),
    ]


@pytest.mark.parametrize("kind", range(5))
def test_no_face_in_textures(detector: FaceDetector, kind: int) -> None:
    picture = textures()[kind]
    assert detector.detect(picture) == []
    with pytest.raises(NoFaceError, match="no face was found in the image of 640 x 480 pixels"):
        detector.pick(picture)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3, 2), (16, 16), (20, 3000), (3000, 20)])
def test_tiny_and_thin_pictures_hold_no_face(detector: FaceDetector, size: tuple[int, int]) -> None:
    assert detector.detect(np.full((*size, 3), 128, np.uint8)) == []


def test_hand_given_box(detector: FaceDetector, photo: np.ndarray, face: Face) -> None:
    x1, y1, x2, y2 = face.box
    grown = (x1 - 0.1 * (x2 - x1), y1 - 0.15 * (y2 - y1), x2 + 0.15 * (x2 - x1), y2 + 0.1 * (y2 - y1))
    found = detector.landmarks_in(photo, grown)
    assert np.linalg.norm(found.landmarks - face.landmarks, axis=1).mean() < 0.05 * ocular(face)
    with pytest.raises(NoFaceError, match="looks like a face"):
        detector.landmarks_in(textures()[2], (100, 100, 300, 300))


def test_track_follows_a_moving_head(detector: FaceDetector, photo: np.ndarray, face: Face) -> None:
    step = ocular(face) * 0.08
    matrices = [np.array([[1, 0, k * step], [0, 1, -k * step / 2]]) for k in range(4)]
    height, width = photo.shape[:2]
    frames = [cv2.warpAffine(photo, m, (width, height), borderMode=cv2.BORDER_REPLICATE) for m in matrices]
    tracked = detector.track_all(frames, face)
    for found, matrix in zip(tracked, matrices, strict=True):
        expected = face.landmarks[:, :2] + matrix[:, 2]
        assert np.linalg.norm(found.landmarks[:, :2] - expected, axis=1).mean() < 0.05 * ocular(face)
    assert detector.track(frames[1], face).score == pytest.approx(tracked[1].score, abs=1e-4)


def test_track_says_when_the_face_has_gone(detector: FaceDetector, photo: np.ndarray, face: Face) -> None:
    assert detector.track(np.full_like(photo, 90), face).score < 0.5


@pytest.mark.parametrize("roll", [90, 135, 180, -70, -110, -160])
def test_a_face_is_found_whichever_way_the_picture_lies(
    roll: int, photo: np.ndarray, face: Face, detector: FaceDetector
) -> None:
    picture, matrix = placed(photo, face, 0.4, roll)
    found = detector.detect(picture)
    assert len(found) == 1
    where = face.landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    error = np.linalg.norm(found[0].landmarks[:, :2] - where, axis=1).mean()
    assert error < 0.08 * ocular(found[0])


@pytest.mark.parametrize("roll", [180, 100])
def test_a_hand_given_box_finds_a_face_that_lies(
    roll: int, photo: np.ndarray, face: Face, detector: FaceDetector
) -> None:
    picture, matrix = placed(photo, face, 0.4, roll)
    where = (face.landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    found = detector.landmarks_in(picture, (*where.min(0), *where.max(0)))
    assert np.linalg.norm(found.landmarks[:, :2] - where, axis=1).mean() < 0.1 * ocular(found)
