"""Portraits saying sounds, to be looked at: one row a portrait, one column a sound.

    python -m benchmarks.contact_sheet OUT.png [--data ../shared/data] [--side 512] [--mouths]

Twelve portraits of the kinds that are hard (closed mouth, open smile, beard, glasses, dark and light skin, old and
young, long hair, tilted, turned, a drawing, a tight crop) from the training data's folder of faces. `--mouths` shows
the lower faces alone, at 1:1. Without the data, only the sample portrait is shown, whole and cropped tightly.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from sonic_core.engines.base import Portrait
from sonic_core.engines.lite.layout import BROWS, CHANNELS, GAZE, HEAD_ROTATION, LIDS, MOUTH, PRESS, TEETH, TONGUE
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.face.detect import FaceDetector

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
# Median mouths of GRID's speaker in the middle of these sounds, found by its word timings.
SOUNDS = {
    "rest": [0] * 12,
    "p b m": [0.69, 0.96, 1.17, -0.32, -0.52, -1.32, 0.79, -0.01, 0.5, 0.16, 0.61, -0.47],
    "f v": [0.53, -1.17, 1.19, -1.55, -1.18, -2.01, -1.03, 0.48, 0.19, 0.67, 1.66, 0.03],
    "o u": [1.47, -0.6, -0.32, -1.79, 0.4, -0.88, -0.4, 1.37, -0.45, 0.46, 1.6, -0.61],
    "a": [2.69, -1.09, -0.66, -0.03, 0.54, -0.73, 0.28, 0.52, 0.58, 1.13, 0.59, -0.42],
    "i": [1.12, -1.21, -0.23, -1.44, 0.18, -1.42, 0.41, 1.27, -1.35, 0.22, 1.05, -0.63],
}
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
    """(24,) a sound's mouth with a little life that differs by column, so that head, eyes and brows are seen too."""
    row = np.zeros(CHANNELS, np.float32)
    row[MOUTH] = mouth
    row[HEAD_ROTATION] = np.array([[0, 0, 0], [5, 0, 2], [-5, 2, -3], [0, 5, 4], [8, -3, 0], [-8, 0, 5]])[index]
    row[LIDS] = [0, 1, 0, 0.5, 0, 0][index]
    row[GAZE.start] = [0, 0, 0.8, 0, -0.8, 0][index]
    row[[PRESS, TEETH, TONGUE]] = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]][index]
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
            x, y = face.landmarks[[61, 291, 13, 14], :2].mean(0)
            across = round(0.30 * (face.box[2] - face.box[0]) + 0.1 * side)
            centre = np.clip([x, y], [across, 0.7 * across], [side - across, side - 0.7 * across]).astype(int)
            frames = [f[centre[1] - int(0.7 * across) : centre[1] + int(0.7 * across),
                        centre[0] - across : centre[0] + across] for f in frames]  # fmt: skip
            frames = [cv2.resize(f, (320, 224), interpolation=cv2.INTER_AREA) if mouths else f for f in frames]
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
    options = [cv2.IMWRITE_JPEG_QUALITY, 82] if args.out.suffix == ".jpg" else []
    cv2.imwrite(str(args.out), sheet(args.data, args.side, args.mouths)[..., ::-1], options)


if __name__ == "__main__":
    main()
