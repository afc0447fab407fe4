"""Draw a sheet of portraits that say sounds: one row for each portrait, one column for each sound.

    python -m benchmarks.contact_sheet OUT.png [--data ../shared/data] [--side 512] [--mouths]

The twelve portraits are of hard kinds (closed mouth, open smile, beard, glasses, dark and light skin, old and young,
long hair, tilted, turned, a drawing, a tight crop) and come from the training data's folder of faces. `--mouths` shows
only the lower faces, at 1:1. Without the data, only the sample portrait is shown, whole and cropped tightly.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from sonic_core.engines.lite.layout import BROWS, CHANNELS, GAZE, HEAD_ROTATION, LIDS, MOUTH, PRESS, TEETH, TONGUE
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.face.detect import FaceDetector
from sonic_core.face.framing import Portrait

SAMPLE = Path(__file__).parent.parent / "web" / "samples" / "sonic_portrait.jpg"
KINDS = {
    "closed mouth": "faker_ai_512_00836",
    "beard": "faker_ai_512_00869",
    "glasses": "faker_ai_512_00819",
    "dark skin": "faker_ai_512_00867",
    "old": "faker_ai_512_00801",
    "young": "faker_ai_512_00845",
    "long hair": "faker_ai_512_00785",
    "tilted 20": "faker_ai_512_00793",
    "turned": "faker_ai_512_00816",
    "drawing": "faker_ai_512_00837",
}
# Mouths of free speech in the middle of an m, f, th, oo, ah and ee (see `benchmarks/lite_phones.py`).
SOUNDS = {
    "p b m": [-0.09, 0.19, 0.2, -1.27, 0.01, -0.54, -1.73, -0.05, -1.01, 0.09, 0.69, -0.88],
    "f v": [0.15, -1.42, 0.23, -0.28, -0.51, -0.04, -1.15, -0.61, 0.3, -0.25, 1.72, -0.08],
    "th l": [1.45, 0.67, -0.14, -1.97, -1.2, -0.81, 0.46, -0.43, 0.59, 1.51, 0.36, -1.19],
    "u": [1.51, 0.62, 0.55, -3.23, 1.02, -1.57, 0.29, 0.58, -0.41, 0.96, 0.73, -0.63],
    "a": [2.33, 0.82, -0.17, -1.18, -0.18, -0.43, 0.64, 0.84, 0.1, 1.1, -0.03, 0.18],
    "i": [1.61, -1.41, -1.0, 1.42, -1.55, -0.39, 2.17, 2.14, 3.0, 2.92, 2.53, 0.58],
}
CLOSE_UP = (176, 128)  # px of a mouth's picture in the frame, shown as they are
LABEL = 26  # px of the strip with the sounds' names


def portraits(data: Path, side: int) -> dict[str, np.ndarray]:
    """Name to uint8 RGB (side, side, 3)."""
    sample = cv2.imread(str(SAMPLE))[..., ::-1]
    found = {"open smile": sample, "tight crop": sample[120:360, 160:400]}
    for kind, name in KINDS.items():
        picture = cv2.imread(str(data / "faces" / f"{name}.jpg"))
        if picture is None:
            continue
        picture = picture[..., ::-1]
        if kind == "drawing":
            picture = drawn(np.ascontiguousarray(picture))
        if kind == "tilted 20":
            turn = cv2.getRotationMatrix2D((128, 128), 20, 1.0)
            picture = cv2.warpAffine(picture, turn, (256, 256), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        found[kind] = picture
    return {
        kind: np.ascontiguousarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_LANCZOS4))
        for kind, picture in found.items()
    }


def drawn(photo: np.ndarray) -> np.ndarray:
    """A photo as a drawing: few flat colours and pencil lines."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    pencil = cv2.divide(grey, cv2.max(cv2.GaussianBlur(grey, (0, 0), 2.5), 1), scale=255)[..., None] / 255
    flat = np.round(cv2.medianBlur(photo, 5) / 255 * 6) / 6
    return (255 * flat * (0.4 + 0.6 * pencil)).astype(np.uint8)


def motion_of(mouth: list[float], index: int) -> np.ndarray:
    """(27,) a sound's mouth, with movements of head, eyes and brows that differ by column."""
    row = np.zeros(CHANNELS, np.float32)
    row[MOUTH] = mouth
    row[HEAD_ROTATION] = np.array([[0, 0, 0], [5, 0, 2], [-5, 2, -3], [0, 5, 4], [8, -3, 0], [-8, 0, 5]])[index]
    row[LIDS] = [0, 1, 0, 0.5, 0, 0][index]
    row[GAZE.start] = [0, 0, 0.8, 0, -0.8, 0][index]
    row[[PRESS, TEETH, TONGUE]] = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]][index]
    row[BROWS.start] = [0, 0, 0, 0, 0.7, 0][index]
    return row


def sheet(data: Path, side: int, mouths: bool) -> np.ndarray:
    """The whole sheet, uint8 RGB."""
    detector, rows = FaceDetector(), []
    for image in portraits(data, side).values():
        face = detector.pick(image)
        renderer = Renderer(Portrait(image, face))
        frames = [renderer.frame(motion_of(mouth, i)) for i, mouth in enumerate(SOUNDS.values())]
        if mouths:
            middle = face.landmarks[[61, 291, 13, 14], :2].mean(0) - np.array(CLOSE_UP) / 2
            x, y = np.clip(middle, 0, side - np.array(CLOSE_UP)).astype(int)
            frames = [frame[y : y + CLOSE_UP[1], x : x + CLOSE_UP[0]] for frame in frames]
        rows.append(np.concatenate(frames, 1))
    width = rows[0].shape[1]
    strip = np.full((LABEL, width, 3), 255, np.uint8)
    for i, name in enumerate(SOUNDS):
        cv2.putText(strip, name, (i * width // len(SOUNDS) + 8, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1)
    return np.concatenate([strip, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--mouths", action="store_true")
    args = parser.parse_args()
    options = [cv2.IMWRITE_JPEG_QUALITY, 55] if args.out.suffix == ".jpg" else []
    cv2.imwrite(str(args.out), sheet(args.data, args.side, args.mouths)[..., ::-1], options)


if __name__ == "__main__":
    main()
