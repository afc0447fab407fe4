"""Names for groups of MediaPipe face-mesh landmarks.

Indices only: which landmark is which. "Right" is the person's right, on the left of a photo.
"""

from __future__ import annotations

import numpy as np

FOREHEAD, CHIN = 10, 152  # the ends of the face oval, on the middle line
RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER = 61, 291
LIP_TOP, LIP_BOTTOM = 0, 17  # the middle of the outer lips
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
RIGHT_IRIS = (468, 469, 470, 471, 472)
LEFT_IRIS = (473, 474, 475, 476, 477)
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
# Pairs of upper and lower points that meet when the lips or lids are shut.
LIP_PAIRS = ((13, 14), (82, 87), (312, 317), (81, 178), (311, 402), (80, 88), (310, 318), (191, 95), (415, 324))
RIGHT_LID_PAIRS = ((159, 145), (158, 153), (160, 144), (157, 154), (161, 163), (173, 155), (246, 7))
LEFT_LID_PAIRS = ((386, 374), (385, 380), (387, 373), (384, 381), (388, 390), (398, 382), (466, 249))
# Points that speech does not move: eye corners, nose bridge and wings, temples, brow centre.
RIGID = (33, 133, 362, 263, 6, 197, 195, 168, 8, 9, 151, 10, 127, 356, 234, 454, 98, 327)


def keypoints(landmarks: np.ndarray) -> np.ndarray:
    """(..., 478, k) -> (..., 3, k): middle of the right eye, of the left eye, of the mouth."""
    eyes = [landmarks[..., list(eye), :].mean(-2) for eye in (RIGHT_EYE, LEFT_EYE)]
    return np.stack([*eyes, landmarks[..., [RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER], :].mean(-2)], -2)
