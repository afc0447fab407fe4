"""The mouth's basis: what its coefficients open."""

import numpy as np
import pytest

from sonic_core.engines.lite.layout import MouthBasis
from sonic_core.face.tracker import face_height, lip_gap


def test_openings_are_those_of_the_landmarks():
    basis = MouthBasis.load()
    rows = np.random.default_rng(0).normal(size=(9, 12)).astype(np.float32)
    faces = basis.rest + basis.displacement(rows)
    expected = [lip_gap(face) / face_height(basis.rest) for face in faces]
    assert basis.openings(rows) == pytest.approx(expected, abs=1e-6)
    assert basis.openings(np.zeros((1, 12), np.float32))[0] < 0.005  # lips that rest are closed
