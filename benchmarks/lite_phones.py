"""Draw a sheet of lite's mouths in single sounds: a column for each phone, a row for each portrait.

    python -m benchmarks.lite_phones --shared ../shared --out phones.png

The frames are from free speech (LJ Speech), in the middle of the longest example of each phone that the aligner finds.
Needs the extra `exam`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw

from benchmarks.lite_exam import readings
from sonic_core.disclosure.label import FONT, sized_font
from sonic_core.engines.lite.engine import AUDIO_GUIDANCE
from sonic_core.engines.lite.motion import MotionModel
from sonic_core.engines.lite.motion_stream import FRAME_SAMPLES, KNOWN, Listener, MotionStream, whole
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.errors import InputError
from sonic_core.face.detect import FaceDetector
from sonic_core.face.framing import Portrait
from sonic_core.media.audio import load_audio, speech_waveform
from sonic_core.media.image import load_image
from sonic_core.quality.alignment import SAMPLE_RATE, align
from sonic_core.settings import Settings

PHONES = ("P", "B", "M", "F", "V", "TH", "L", "UW", "AA", "IY")
PORTRAITS = (
    "london_ccby_00697",
    "london_ccby_00589",
    "senate_00048",
    "faker_ai_512_00928",
    "faker_ai_512_00828",
    "house_00114",
)
SIDE, TITLE = 150, 32
LEAD = 0.03  # seconds by which lips are ahead of a phone's middle


def rows_of_phones(shared: Path) -> dict[str, np.ndarray]:
    """For each phone, a row of motion from free speech."""
    model = MotionModel.from_folder()
    found: dict[str, tuple[float, np.ndarray]] = {}
    for sound, text in readings(shared, None):
        speech = speech_waveform(load_audio(sound), SAMPLE_RATE)
        try:
            phones = align(speech, text)
        except InputError:
            continue
        stream = MotionStream(model, Settings(inference_steps=4, motion_scale=0.0), AUDIO_GUIDANCE, KNOWN)
        frames = len(speech) // FRAME_SAMPLES
        motion = torch.cat(list(whole(Listener(model, speech, frames).heard, frames, stream))).numpy()
        for phone in phones[2:]:
            at = int((phone.middle - LEAD) * 25)
            seconds = phone.end - phone.start
            if phone.name in PHONES and at < len(motion) and seconds > found.get(phone.name, (0.0, None))[0]:
                found[phone.name] = seconds, motion[at]
    return {name: row for name, (_, row) in found.items()}


def mouth_of(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The surroundings of the mouth, uint8 (SIDE, SIDE, 3)."""
    middle = landmarks[[13, 14], :2].mean(0)
    half = 0.32 * np.linalg.norm(landmarks[10, :2] - landmarks[152, :2])
    scale = SIDE / (2 * half)
    matrix = np.array([[scale, 0, SIDE / 2 - scale * middle[0]], [0, scale, SIDE / 2 - scale * middle[1]]])
    return cv2.warpAffine(frame, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows, detector = rows_of_phones(args.shared), FaceDetector()
    sheet = Image.new("RGB", (SIDE * len(PHONES), TITLE + SIDE * len(PORTRAITS)), "white")
    draw, font = ImageDraw.Draw(sheet), sized_font(FONT, 14)
    for column, phone in enumerate(PHONES):
        draw.text((SIDE * column + 8, 3), phone.lower(), (40, 40, 40), font)
    for line, name in enumerate(PORTRAITS):
        photo = np.asarray(load_image(args.shared / "data" / "faces" / f"{name}.jpg"))
        photo = cv2.resize(photo, (512, 512), interpolation=cv2.INTER_CUBIC)
        face = detector.detect(photo)[0]
        renderer = Renderer(Portrait(photo, face))
        for column, phone in enumerate(PHONES):
            if phone in rows:
                mouth = mouth_of(renderer.frame(rows[phone]), face.landmarks)
                sheet.paste(Image.fromarray(mouth), (SIDE * column, TITLE + SIDE * line))
    sheet.save(args.out)


if __name__ == "__main__":
    main()
