"""The new mouth: as open as the motion says, whatever the frame's own mouth does, and nothing else touched."""

import numpy as np
import pytest

from sonic_core.dub.faces import FaceState, rest_face
from sonic_core.dub.mouth import BOX, MouthPainter
from sonic_core.engines.lite.layout import CHANNELS, MOUTH, MouthBasis
from sonic_core.engines.lite.pose import fit_rigid
from sonic_core.face.tracker import face_height, lip_gap


@pytest.fixture(scope="module")
def basis():
    return MouthBasis.load()


@pytest.fixture(scope="module")
def painter(cast, basis):
    return MouthPainter(rest_face(cast.people[0], basis), cast.people[0].view)


@pytest.fixture(scope="module")
def scene(video, cast, basis):
    """A frame, the face in it."""
    landmarks = cast.people[0].read(0, 1)[0]
    return next(video.pictures()), FaceState(landmarks, fit_rigid(landmarks, basis), 1.0)


def row(opening: float, basis: MouthBasis) -> np.ndarray:
    """Motion that opens the lips by a share of the face's height."""
    motion = np.zeros(CHANNELS, np.float32)
    one = basis.components[0]
    motion[MOUTH.start] = opening * np.linalg.norm(basis.rest[10] - basis.rest[152]) / (one[14, 1] - one[13, 1])
    return motion


def measured(frame, detector) -> float:
    face = detector.pick(frame)
    return lip_gap(face.landmarks) / face_height(face.landmarks)


def test_the_mouth_opens_as_far_as_it_is_told(painter, scene, basis, detector):
    frame, state = scene
    openings = [measured(painter.paint(frame, state, row(wanted, basis)), detector) for wanted in (0, 0.03, 0.07)]
    assert openings[0] < 0.012
    assert openings[1] - openings[0] > 0.012 and openings[1] + 0.015 < openings[2]


def test_an_open_mouth_is_shut_by_silence(painter, scene, basis, detector):
    frame, state = scene
    opened = painter.paint(frame, state, row(0.06, basis))
    face = detector.pick(opened)
    again = painter.paint(opened, FaceState(face.landmarks, fit_rigid(face.landmarks, basis), 1.0), row(0, basis))
    assert measured(opened, detector) > 0.03 and measured(again, detector) < 0.015


def test_nothing_but_the_lower_face_is_touched(painter, scene, basis):
    frame, state = scene
    changed = (painter.paint(frame, state, row(0.06, basis)) != frame).any(-1)
    assert 0.01 < changed.mean() < 0.3
    corners = state.fit.to_pixels(np.array([(BOX[i], BOX[j], 0.5) for i in (0, 2) for j in (1, 3)], np.float32))
    rows, columns = np.nonzero(changed)
    assert rows.min() >= corners[:, 1].min() - 1 and columns.min() >= corners[:, 0].min() - 1
    assert columns.max() <= corners[:, 0].max() + 1
    nose = state.landmarks[6, 1]  # between the eyes
    assert rows.min() > nose


def test_strength_fades_the_dub(painter, scene, basis):
    frame, state = scene
    none = painter.paint(frame, FaceState(state.landmarks, state.fit, 0.0), row(0.06, basis))
    half = painter.paint(frame, FaceState(state.landmarks, state.fit, 0.5), row(0.06, basis))
    whole = painter.paint(frame, state, row(0.06, basis))
    assert none is frame
    assert np.allclose(half, (frame.astype(np.float32) + whole) / 2, atol=0.5)


def test_a_face_at_the_edge_of_the_picture_is_drawn_as_far_as_it_is_seen(painter, scene, basis):
    frame, state = scene
    cut = np.ascontiguousarray(frame[: int(state.landmarks[14, 1]) + 4])
    painted = painter.paint(cut, state, row(0.06, basis))
    assert painted.shape == cut.shape and (painted != cut).any()
