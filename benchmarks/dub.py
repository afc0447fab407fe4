"""Measure dubbing with real people's videos and other people's speech.

    python -m benchmarks.dub --shared ../shared --tracker PYTHON [--only lips silence two dialogue speed moving]
                             [--moving CLIP ...]

Every GRID clip of `grid_other` is dubbed onto the videos of the other three speakers. The dubbed videos are tracked by
`tools/lip_fidelity.py` (PYTHON is an environment with mediapipe) and compared with the real lips of the speech; lite
on a photo (the video's first frame) is measured the same way beside it. Prints one line of JSON:

lips, lips_on_photos  mean correlation at lag 0 with the real lips of the speech's speaker
leak                  correlation of the dubbed with the original lips, above that of the intended lips (our tracker)
silence               95th percentile of the opening with a silent voice, in face heights (outside tracker)
outside               most by which a pixel outside the drawn box differs before encoding
jitter, jitter_before px of a 300 px face by which lip landmarks leave their smooth path, dubbed silent and before
two_people            silence, of whoever is silent while the person beside them speaks, worst of four pairs
dialogue              the same of a dialogue: a photo of two, of whom one speaks and the other listens
milliseconds          processor time a frame at 288, 512 and 1080 lines, with speech: reading the file, watching,
                      drawing, encoding
real_time             the same by the clock: seconds of video in a second
moving                silence, jitter and jitter_before of each --moving clip, of people who move their heads
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from scipy.signal import savgol_filter

from sonic_core import SonicPipeline
from sonic_core.clip import Audio, Clip
from sonic_core.dub.dub import Dub, dub, look_at, mouth_motion
from sonic_core.dub.mouth import part_of
from sonic_core.engines.lite.layout import MOUTH, MouthBasis
from sonic_core.engines.lite.pose import fit_rigid
from sonic_core.face.points import INNER_LIPS, OUTER_LIPS
from sonic_core.face.tracker import FaceTracker, lip_gap
from sonic_core.media.audio import load_audio
from sonic_core.media.video import open_video
from sonic_core.settings import Settings

LIPS = [*OUTER_LIPS, *INNER_LIPS]


def tracked(tracker: str, shared: Path, video: Path, like: Path | None = None) -> dict[str, float]:
    command = [tracker, str(shared / "tools" / "lip_fidelity.py"), str(video)]
    if like is not None:
        command += ["--like", str(like)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.strip().splitlines()[-1])


def landmarks(clip: Clip) -> list[np.ndarray]:
    tracker = FaceTracker()
    found = [tracker(frame) for frame in clip.frames()]
    return [marks for marks in found if marks is not None]


def jitter(clip: Clip) -> float:
    """RMS distance of the lips from their smoothed path, relative to the face, in px of a face 300 px high."""
    basis, places = MouthBasis.load(), []
    for marks in landmarks(clip):
        fit = fit_rigid(marks, basis)
        places.append(((marks - fit.origin) @ np.linalg.inv(fit.axes))[LIPS, :2])
    path = np.stack(places)
    unit = 300 / float(np.linalg.norm(basis.rest[10] - basis.rest[152]))
    return float(np.sqrt(np.mean((path - savgol_filter(path, 7, 2, axis=0)) ** 2))) * unit


def leak(made: Dub, original: Clip, intended: np.ndarray) -> float:
    before, after = (np.array([lip_gap(marks) for marks in landmarks(clip)]) for clip in (original, made.clip))
    count = min(len(before), len(after), len(intended))

    def alike(a: np.ndarray) -> float:
        return float(np.corrcoef(a[:count], before[:count])[0, 1])

    return alike(after) - alike(intended)


def outside(made: Dub, original: Clip, number: int) -> float:
    """The largest difference of a pixel outside the face's box."""
    from sonic_core.dub.faces import states

    boxes = dict(states(made.cast.people[number], made.cast, MouthBasis.load()))
    worst = 0.0
    for index, (a, b) in enumerate(zip(original.frames(), made.clip.frames(), strict=False)):
        difference = np.abs(a - b)
        x1, y1, x2, y2 = part_of(boxes[index].fit, a.shape)
        difference[y1:y2, x1:x2] = 0
        worst = max(worst, float(difference.max()))
    return worst


def lips(pipe: SonicPipeline, shared: Path, tracker: str, folder: Path) -> dict[str, object]:
    videos = sorted((shared / "data" / "grid_other").glob("*.mpg"))
    basis, rows = MouthBasis.load(), []
    for video, speech in itertools.permutations(videos, 2):
        original, voice = open_video(video), load_audio(speech)
        cast = look_at(original, pipe.detector)
        made = dub(original, voice, pipe.engine, cast, Settings())
        path = pipe.save_video(made.clip, folder / "dubbed.mp4")
        row = {"dubbed": tracked(tracker, shared, path, speech)["correlation"]}
        photo = (next(original.frames()) * 255 + 0.5).astype(np.uint8)
        path = pipe.save_video(pipe(photo, voice, min_resolution=288), folder / "photo.mp4")
        row["photo"] = tracked(tracker, shared, path, speech)["correlation"]
        shape = basis.displacement(mouth_motion(voice, pipe.engine, Settings(), original.fps)[:, MOUTH])
        row["leak"] = leak(made, original, shape[:, 14, 1] - shape[:, 13, 1])
        sys.stderr.write(f"{video.stem} says {speech.stem} {json.dumps(row)}\n")
        rows.append(row)
    return {
        "lips": round(float(np.mean([row["dubbed"] for row in rows])), 3),
        "lips_on_photos": round(float(np.mean([row["photo"] for row in rows])), 3),
        "leak": round(float(np.mean([row["leak"] for row in rows])), 3),
    }


def silence(pipe: SonicPipeline, shared: Path, tracker: str, folder: Path) -> dict[str, object]:
    found = {"silence": [], "outside": [], "jitter": [], "jitter_before": []}
    for video in sorted((shared / "data" / "grid_other").glob("*.mpg")):
        original = open_video(video)
        quiet = Audio(np.zeros((1, round(original.seconds * 16000)), np.float32), 16000)
        made = dub(original, quiet, pipe.engine, look_at(original, pipe.detector), Settings())
        path = pipe.save_video(made.clip, folder / "silent.mp4")
        found["silence"].append(tracked(tracker, shared, path)["opening"][2])
        found["outside"].append(outside(made, original, 0))
        found["jitter"].append(jitter(made.clip))
        found["jitter_before"].append(jitter(original))
    return {name: round(float(np.max(values)), 4) for name, values in found.items()}


def two_people(pipe: SonicPipeline, shared: Path, tracker: str, folder: Path) -> float:
    """95th percentile of the opening of the silent one of two people, in face heights."""
    worst = 0.0
    for left, right in pairs(shared):
        both = beside(open_video(left), open_video(right))
        cast, voice = look_at(both, pipe.detector), load_audio(left)
        assert len(cast.people) == 2
        quiet = Audio(np.zeros_like(voice.samples), voice.rate)
        made = dub(both, {0: voice, 1: quiet}, pipe.engine, cast, Settings()).clip
        path = pipe.save_video(cropped(made, both.width // 2), folder / "right.mp4")
        worst = max(worst, tracked(tracker, shared, path)["opening"][2])
    return worst


def listener(pipe: SonicPipeline, shared: Path, tracker: str, folder: Path) -> float:
    """95th percentile of the opening of whoever listens in a dialogue."""
    worst = 0.0
    for left, right in pairs(shared):
        photo = next(beside(open_video(left), open_video(right)).frames())
        voice = load_audio(left)
        quiet = Audio(np.zeros_like(voice.samples), voice.rate)
        made = pipe.dialogue((photo * 255 + 0.5).astype(np.uint8), [voice, quiet], min_resolution=288)
        path = pipe.save_video(cropped(made, made.width // 2), folder / "listener.mp4")
        worst = max(worst, tracked(tracker, shared, path)["opening"][2])
    return worst


def pairs(shared: Path) -> list[tuple[Path, Path]]:
    """Every GRID clip with the next one."""
    videos = sorted((shared / "data" / "grid_other").glob("*.mpg"))
    return list(zip(videos, [*videos[1:], videos[0]], strict=True))


def beside(left: Clip, right: Clip) -> Clip:
    """Two clips of one size as one picture, as long as the shorter one."""
    count = min(left.frame_count, right.frame_count)

    def make() -> Iterator[np.ndarray]:
        for a, b, _ in zip(left.frames(), right.frames(), range(count), strict=False):
            yield np.concatenate([a, b], 1)[None]

    return Clip(left.width + right.width, left.height, count, left.fps, make)


def cropped(clip: Clip, left: int) -> Clip:
    """The part of the clip right of a column."""
    return clip.replaced(width=clip.width - left, make=lambda: (chunk[:, :, left:] for chunk in clip.chunks()))


def moving(pipe: SonicPipeline, shared: Path, tracker: str, video: Path, folder: Path) -> dict[str, float]:
    """The figures of `silence` that a moving head could spoil, for one video."""
    original = open_video(video, with_audio=False)
    quiet = Audio(np.zeros((1, round(original.seconds * 16000)), np.float32), 16000)
    made = dub(original, quiet, pipe.engine, look_at(original, pipe.detector), Settings())
    path = pipe.save_video(made.clip, folder / "moving.mp4")
    found = {"silence": tracked(tracker, shared, path)["opening"][2], "jitter": jitter(made.clip)}
    return {name: round(value, 4) for name, value in (found | {"jitter_before": jitter(original)}).items()}


def cost(pipe: SonicPipeline, speech: Path, lines: int, folder: Path) -> tuple[float, float]:
    """Milliseconds of processor time a frame, and seconds of video in a second, to dub a file; without loading."""
    video = pipe.save_video(enlarged(open_video(speech), lines), folder / "large.mp4")
    voice = load_audio(speech)
    processor, clock = time.process_time(), time.perf_counter()
    original = open_video(video)
    made = dub(original, voice, pipe.engine, look_at(original, pipe.detector), Settings())
    pipe.save_video(made.clip, folder / "cost.mp4")
    processor, clock = time.process_time() - processor, time.perf_counter() - clock
    return 1000 * processor / made.clip.frame_count, made.clip.seconds / clock


def enlarged(clip: Clip, lines: int) -> Clip:
    """The clip at another height, without its sound."""
    width = round(clip.width * lines / clip.height) & ~1

    def make() -> Iterator[np.ndarray]:
        for frame in clip.frames():
            yield cv2.resize(frame, (width, lines), interpolation=cv2.INTER_CUBIC)[None].clip(0, 1)

    return Clip(width, lines, clip.frame_count, clip.fps, make)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--tracker", required=True, help="a Python with mediapipe and av")
    parser.add_argument("--only", nargs="+", default=["lips", "silence", "two", "dialogue", "speed", "moving"])
    parser.add_argument("--moving", type=Path, nargs="+", default=[], help="clips of people who move their heads")
    args = parser.parse_args()
    pipe = SonicPipeline.from_pretrained("lite", device="cpu")
    video = args.shared / "data" / "grid_other" / "sbwe5n.mpg"
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "lips" in args.only:
            figures |= lips(pipe, args.shared, args.tracker, folder)
        if "silence" in args.only:
            figures |= silence(pipe, args.shared, args.tracker, folder)
        if "two" in args.only:
            figures["two_people"] = round(two_people(pipe, args.shared, args.tracker, folder), 4)
        if "dialogue" in args.only:
            figures["dialogue"] = round(listener(pipe, args.shared, args.tracker, folder), 4)
        if "speed" in args.only:
            costs = [cost(pipe, video, lines, folder) for lines in (288, 288, 512, 1080)][1:]  # the first warms up
            figures["milliseconds"] = [round(processor, 1) for processor, _ in costs]
            figures["real_time"] = [round(speed, 2) for _, speed in costs]
        if "moving" in args.only:
            figures["moving"] = [moving(pipe, args.shared, args.tracker, path, folder) for path in args.moving]
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
