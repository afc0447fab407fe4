"""Names for the MediaPipe landmarks that the renderer moves: lip rings, eyelids, irises, brows.

Every list runs from the viewer's left to the viewer's right. It knows the topology and nothing of any face.
"""

from __future__ import annotations

import numpy as np

# Four rings of 11 points from the outline of the lips inwards; both ends of a ring are the same corner point.
UPPER_LIP = np.array([
    [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291],
    [76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306],
    [62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292],
    [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308],
])  # fmt: skip
LOWER_LIP = np.array([
    [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291],
    [76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306],
    [62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292],
    [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308],
])  # fmt: skip
ABOVE_LIP = np.array([57, 186, 92, 165, 167, 164, 393, 391, 322, 410, 287])  # round the upper lip, half way to the nose
UPPER_INNER, LOWER_INNER = UPPER_LIP[3], LOWER_LIP[3]

# The person's right eye is the viewer's left one.
RIGHT_UPPER_LID = np.array([33, 246, 161, 160, 159, 158, 157, 173, 133])
RIGHT_LOWER_LID = np.array([33, 7, 163, 144, 145, 153, 154, 155, 133])
LEFT_UPPER_LID = np.array([362, 398, 384, 385, 386, 387, 388, 466, 263])
LEFT_LOWER_LID = np.array([362, 382, 381, 380, 374, 373, 390, 249, 263])
RIGHT_IRIS, LEFT_IRIS = np.arange(468, 473), np.arange(473, 478)

RIGHT_BROW = np.array([70, 63, 105, 66, 107, 46, 53, 52, 65, 55])
LEFT_BROW = np.array([336, 296, 334, 293, 300, 285, 295, 282, 283, 276])
