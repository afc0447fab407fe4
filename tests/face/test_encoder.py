"""The identity embedding: unit length, steady under light and pose, one at a time as in a batch."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sonic_core.face.detect import FaceDetector
from sonic_core.face.encoder import FaceEncoder

PORTRAIT = Path(__file__).parents[2] / "web" / "samples" / "sonic_portrait.jpg"


def test_embeddings(portrait_path: Path) -> None:
    photo = cv2.cvtColor(cv2.imread(str(portrait_path)), cv2.COLOR_BGR2RGB)
    detector, encoder = FaceDetector(), FaceEncoder()
    face = detector.pick(photo)
    turned = cv2.warpAffine(
        photo, cv2.getRotationMatrix2D((photo.shape[1] / 2, photo.shape[0] / 2), 12, 0.9), photo.shape[1::-1]
    )
    darker = (photo * 0.75).astype(np.uint8)
    views = [photo, turned, darker]
    faces = [face, detector.pick(turned), face]
    embeddings = encoder.encode_all(views, faces)
    assert embeddings.shape == (3, 64) and embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(turned, faces[1]), embeddings[1], atol=1e-4)
    assert (embeddings[0] @ embeddings[1:].T > 0.6).all()
