"""Measure the finishing stages: every figure of docs/finishing.md, in one run or part by part.

    python -m benchmarks.finishing --data ../shared/data [--parts align smooth ...] [--clips DIR] [--out DIR]

For `align` the lips are samples of the bundled motion model (with other seeds than the prediction has), read at known
shifts with a tracker's noise; `--clips DIR` measures whole videos, too, each shifted by known amounts. The truth of the
other parts comes from `training.synthetic_face`. With `--out`, pictures before and after and their differences are
written.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from sonic_core.clip import Audio, Clip
from sonic_core.engines.lite.ears import Ears
from sonic_core.engines.lite.layout import MOUTH, WEIGHTS, MouthBasis
from sonic_core.face.crop import crop_square, head_box
from sonic_core.face.detect import Face
from sonic_core.face.tracker import FaceTracker, face_height, lip_gap, lip_shape
from sonic_core.finish.lip_align import moved_sound
from sonic_core.finish.paste_back import paste_back
from sonic_core.finish.smooth import smooth
from sonic_core.media.audio import cut, load_audio, speech_waveform
from sonic_core.media.video import open_video
from sonic_core.quality.lip_sync import TRUSTED, compare, lip_shapes, match, speech_opening
from sonic_core.quality.report import flicker, gradient, jitter
from sonic_core.video.interpolate import interpolate
from training.synthetic_face import Puppet, load_puppet

FACE = "london_ccby_00536"
PARTS = ("align", "smooth", "interpolate", "paste", "memory", "pictures")
KNOWN = (-0.3, -0.2, -0.1, -0.04, 0.0, 0.05, 0.12, 0.2, 0.3)


def held_out(data: Path) -> list[str]:
    return [str(name) for name in np.load(data / "grid_s1" / "motion.npz")["names"][-60:]]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(max(float(((a - b) ** 2).mean()), 1e-15)))


def picture(out: Path | None, name: str, columns: list[np.ndarray], width: int = 1080) -> None:
    """Frames (h, w, 3) beside one another as a small JPEG."""
    if out is None:
        return
    image = np.concatenate(columns, 1)
    image = cv2.resize(image, (width, round(image.shape[0] * width / image.shape[1])), interpolation=cv2.INTER_AREA)
    out.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(
        str(out / name), (image[..., ::-1].clip(0, 1) * 255 + 0.5).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 86]
    )


def sounds(data: Path) -> list[np.ndarray]:
    """About 4 seconds each of mono speech at 16 kHz: a reader, and a speaker of single sentences."""
    made = []
    for path in sorted((data / "ljspeech").glob("*.flac"))[:12]:
        sound = load_audio(path)
        made.append(speech_waveform(cut(sound, 0.0, 4.0), 16000))
    for name in held_out(data)[:12]:
        made.append(speech_waveform(load_audio(data / "grid_s1" / "audio" / f"{name}.opus"), 16000))
    return made


def model_lips(speech: np.ndarray) -> np.ndarray:
    """(n, 2) the lip shapes that the bundled model makes for this speech."""
    basis = MouthBasis.load()
    motion = Ears.from_folder(WEIGHTS).articulate(speech, len(speech) // 640)
    points = basis.rest + basis.displacement(motion[:, MOUTH])
    return np.stack([lip_shape(face) for face in points]) / face_height(basis.rest)


def music(seconds: float, seed: int) -> np.ndarray:
    """Chords on a beat, without a voice."""
    rng = np.random.default_rng(seed)
    time_axis = np.arange(int(seconds * 16000)) / 16000
    out = np.zeros_like(time_axis)
    for beat in np.arange(0, seconds, rng.uniform(0.25, 0.6)):
        for tone in rng.choice([196, 220, 262, 330, 392, 440, 523, 659], 3, replace=False):
            decay = np.where(time_axis > beat, np.exp(-(time_axis - beat) * 5), 0)
            out += 0.1 * decay * np.sin(2 * np.pi * tone * time_axis)
    return out.astype(np.float32)


def part_align(data: Path, clips: Path | None, out: Path | None) -> dict:
    rng = np.random.default_rng(0)
    errors, trusted = [], []
    voices = sounds(data)
    lips = [model_lips(speech) for speech in voices]
    expected = [speech_opening(speech, len(track)) for speech, track in zip(voices, lips, strict=True)]
    for track, implied in zip(lips, expected, strict=True):
        for known in KNOWN:
            middles = (np.arange(len(track)) + 0.5) / 25
            seen = np.stack([np.interp(middles - known, middles, column) for column in track.T], -1)
            seen += rng.normal(0, 0.002, seen.shape)
            found = match(seen, 25.0, implied)
            errors.append(abs(found.offset - known))
            trusted.append(found.trusted)
    silent = [match(track, 25.0, speech_opening(music(len(track) / 25, k), len(track))) for k, track in enumerate(lips)]
    result = {
        "tracks": len(errors),
        "found within 20 ms": float(np.mean(np.array(errors) <= 0.02)),
        "median error ms": float(1000 * np.median(errors)),
        "95th percentile ms": float(1000 * np.percentile(errors, 95)),
        "trusted": float(np.mean(trusted)),
        "music trusted": float(np.mean([found.trusted for found in silent])),
        "music confidence, median": float(np.median([found.confidence for found in silent])),
    }
    if clips is not None:
        result["videos"] = videos(sorted(clips.glob("*.mp4")))
    return result


def videos(paths: list[Path]) -> dict:
    """Whole videos whose sound is moved by known offsets; each is tracked once."""
    errors, at_rest, confident = [], [], []
    for path in paths:
        clip = open_video(path)
        shapes = lip_shapes(clip, FaceTracker())
        assert clip.audio is not None
        rest = compare(shapes, clip.audio, float(clip.fps), speech_opening)
        at_rest.append(rest.offset)
        for known in KNOWN:
            found = compare(shapes, moved_sound(clip.audio, -known), float(clip.fps), speech_opening)
            errors.append(abs(found.offset - known))
            confident.append(found.confidence >= TRUSTED)
    return {
        "videos": len(paths),
        "found within 20 ms": float(np.mean(np.array(errors) <= 0.02)),
        "offset at rest ms, median and largest": [
            float(1000 * np.median(at_rest)),
            float(1000 * np.abs(at_rest).max()),
        ],
        "trusted": float(np.mean(confident)),
    }


def part_smooth(data: Path, clips: Path | None, out: Path | None) -> dict:
    rng = np.random.default_rng(0)
    puppet = load_puppet(data, FACE, held_out(data)[:1], 384, 7)
    count = 46
    clean = np.stack([puppet.draw(0.5 + k / 25) for k in range(count)])
    shaken = np.stack([shake(frame, rng) for frame in clean])
    gains = np.exp(rng.normal(0, 0.03, count)).astype(np.float32)
    bad = (shaken * gains[:, None, None, None] + rng.normal(0, 0.008, shaken.shape)).clip(0, 1).astype(np.float32)
    start = time.process_time()
    out_frames = frames_of(smooth(Clip.of_frames(bad, Fraction(25)), 1.0))
    seconds = (time.process_time() - start) / count
    same = frames_of(smooth(Clip.of_frames(clean, Fraction(25)), 1.0))
    marks = {
        name: landmarks_of(frames)
        for name, frames in (("clean", clean), ("bad", bad), ("out", out_frames), ("same", same))
    }
    height = np.full(count, puppet.height)
    from sonic_core.face.points import RIGID

    tremble = {name: jitter(m[:, list(RIGID), :2].astype(np.float64), height) for name, m in marks.items()}
    added = [np.sqrt(max(tremble[name] ** 2 - tremble["clean"] ** 2, 0)) for name in ("bad", "out")]
    light = {
        name: np.log(frames.mean((1, 2, 3))) for name, frames in (("clean", clean), ("bad", bad), ("out", out_frames))
    }
    flickers = [flicker(light[name] - light["clean"]) for name in ("bad", "out")]
    gaps = {name: np.array([lip_gap(m) for m in found]) for name, found in marks.items()}
    span = [np.ptp(np.percentile(gaps[name], [5, 95])) for name in ("clean", "same", "out")]
    picture(out, "finish_smooth.jpg", [bad[20], out_frames[20], 3 * np.abs(out_frames[20] - bad[20])])
    return {
        "jitter (bad, out, clean)": [round(tremble[n], 3) for n in ("bad", "out", "clean")],
        "added jitter cut": float(1 - added[1] / added[0]),
        "flicker cut": float(1 - flickers[1] / flickers[0]),
        "lip range kept, clean clip": float(span[1] / span[0]),
        "lip range kept, bad clip": float(span[2] / span[0]),
        "lip shift ms": 1000 * shift_of(gaps["clean"], gaps["same"]),
        "sharpness kept, clean clip": float(
            np.mean([gradient(f) for f in same]) / np.mean([gradient(f) for f in clean])
        ),
        "Laplacian variance kept": float(
            np.mean([laplacian(f) for f in same]) / np.mean([laplacian(f) for f in clean])
        ),
        "CPU s a frame of 384": seconds,
        "CPU s a frame of 1024": smoothing_cost(bad[:12], 1024),
    }


def smoothing_cost(frames: np.ndarray, side: int) -> float:
    """Processor seconds a frame for the same pictures, enlarged to `side` and with new grain."""
    rng = np.random.default_rng(1)
    large = np.stack([cv2.resize(frame, (side, side), interpolation=cv2.INTER_CUBIC) for frame in frames])
    large = (large + rng.normal(0, 0.008, large.shape)).clip(0, 1).astype(np.float32)
    start = time.process_time()
    for _ in smooth(Clip.of_frames(large, Fraction(25)), 1.0).frames():
        pass
    return (time.process_time() - start) / len(frames)


def shake(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The frame moved, turned and scaled a little."""
    side = frame.shape[0]
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), rng.normal(0, 0.15), 1 + rng.normal(0, 0.0015))
    matrix[:, 2] += rng.normal(0, 0.7, 2)
    return cv2.warpAffine(frame, matrix, (side, side), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE).clip(
        0, 1
    )


def frames_of(clip: Clip) -> np.ndarray:
    return np.concatenate(list(clip.chunks()))


def landmarks_of(frames: np.ndarray) -> np.ndarray:
    tracker = FaceTracker()
    found = [tracker(frame) for frame in frames]
    missing = sum(f is None for f in found)
    if missing:
        raise SystemExit(f"the face was lost in {missing} frames")
    return np.stack([f for f in found if f is not None])


def shift_of(a: np.ndarray, b: np.ndarray) -> float:
    """Seconds by which b comes after a, both at 25 fps."""
    return match(b[:, None], 25.0, a).offset


def laplacian(frame: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


def part_interpolate(data: Path, clips: Path | None, out: Path | None) -> dict:
    puppet = load_puppet(data, FACE, held_out(data)[:1], 384, 7)
    count = 16
    truth = np.stack([puppet.draw(0.6 + k / 25) for k in range(2 * count)])
    source = Clip.of_frames(truth[::2], Fraction(25, 2))
    mouth = mouth_box(puppet)
    odd = range(1, 2 * count - 1, 2)
    result: dict = {}
    made = {}
    for method in ("flow", "repeat"):
        start = time.process_time()
        made[method] = frames_of(interpolate(source, 25, method))
        result[f"{method}: CPU s a frame made"] = (time.process_time() - start) / len(odd)
    made["blend"] = truth.copy()
    for k in odd:
        made["blend"][k] = (truth[k - 1] + truth[k + 1]) / 2
    for name, frames in made.items():
        whole = np.mean([psnr(frames[k], truth[k]) for k in odd])
        lips = np.mean([psnr(frames[k][mouth], truth[k][mouth]) for k in odd])
        result[f"{name}: PSNR whole, mouth"] = [round(float(whole), 2), round(float(lips), 2)]
    k = max(odd, key=lambda i: float(np.abs(truth[i - 1][mouth] - truth[i + 1][mouth]).mean()))
    parts = [
        truth[k - 1],
        made["flow"][k],
        truth[k + 1],
        made["blend"][k],
        truth[k],
        3 * np.abs(made["flow"][k] - truth[k]),
    ]
    picture(out, "finish_interpolate.jpg", [p[mouth] for p in parts])
    rates = [Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(50), Fraction(60)]
    result["durations s"] = {str(r): float(interpolate(source, r, "repeat").seconds) for r in rates}
    result["duration of the source s"] = source.seconds
    return result


def mouth_box(puppet: Puppet) -> tuple[slice, slice]:
    lips = puppet.landmarks[[61, 291, 0, 17]]
    reach = 0.16 * puppet.height
    (x1, y1), (x2, y2) = lips.min(0) - reach, lips.max(0) + reach
    return slice(int(y1), int(y2)), slice(int(x1), int(x2))


def part_paste(data: Path, clips: Path | None, out: Path | None) -> dict:
    rng = np.random.default_rng(0)
    puppet = load_puppet(data, FACE, held_out(data)[:1], 768, 7)
    height, width, left, top = 1080, 1920, 560, 200
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    ground = (
        0.5 + 0.15 * np.sin(x / 61)[..., None] * np.cos(y / 47)[..., None] + rng.normal(0, 0.02, (height, width, 1))
    )
    photo = np.repeat(ground, 3, 2).clip(0, 1).astype(np.float32)
    photo[top : top + 768, left : left + 768] = puppet.photo.clip(0, 1)
    photo8 = (photo * 255 + 0.5).astype(np.uint8)
    photo = photo8.astype(np.float32) / 255
    marks = np.concatenate([puppet.landmarks + np.array([left, top]), np.zeros((478, 1))], 1).astype(np.float32)
    low, high = marks[:, :2].min(0), marks[:, :2].max(0)
    face = Face((float(low[0]), float(low[1]), float(high[0]), float(high[1])), marks, 1.0)
    crop = crop_square((width, height), head_box(face, (width, height)), 0.18)
    x1, y1, x2, y2 = crop
    shrink = lambda image: cv2.resize(image[y1:y2, x1:x2], (512, 512), interpolation=cv2.INTER_AREA)  # noqa: E731
    portrait = shrink(photo8)
    still = next(
        paste_back(
            Clip.of_frames(portrait[None].astype(np.float32) / 255, Fraction(25)), photo8, crop, portrait, marks
        ).frames()
    )
    drifting = (portrait / 255 * [1.06, 1.0, 0.95] + [0.02, -0.01, 0.03]).clip(0, 1).astype(np.float32)
    drifted = next(paste_back(Clip.of_frames(drifting[None], Fraction(25)), photo8, crop, portrait, marks).frames())
    speaking = photo.copy()
    moment = max(np.arange(0.6, 1.6, 0.04), key=puppet.opening)
    speaking[top : top + 768, left : left + 768] = puppet.draw(float(moment))
    frame = (shrink(speaking) * [1.06, 1.0, 0.95] + [0.02, -0.01, 0.03]).clip(0, 1).astype(np.float32)
    start = time.process_time()
    made = next(paste_back(Clip.of_frames(frame[None], Fraction(25)), photo8, crop, portrait, marks).frames())
    seconds = time.process_time() - start
    plain = photo.copy()
    plain[y1:y2, x1:x2] = cv2.resize(frame, (x2 - x1, y2 - y1), interpolation=cv2.INTER_CUBIC)
    inner = (slice(top + 230, top + 640), slice(left + 200, left + 570))
    view = (slice(100, 1080), slice(440, 1460))
    picture(out, "finish_paste_back.jpg", [plain[view], made[view], 3 * np.abs(made - photo)[view]])
    return {
        "still face, PSNR": psnr(still, photo),
        "still face with colour drift, PSNR": psnr(drifted, photo),
        "largest step of the difference picture, drift": float(np.abs(np.diff(drifted - photo, axis=1)).max()),
        "speaking, PSNR in the face: ours, plain paste": [
            psnr(made[inner], speaking[inner]),
            psnr(plain[inner], speaking[inner]),
        ],
        "CPU s a frame of 1920 x 1080": seconds,
    }


MEMORY_SIDE = 128  # its 7500 frames would take 1.5 GB if all were held


def chain(seconds: int) -> Clip:
    """Synthetic frames after smoothing, interpolation, canvas and label."""
    from sonic_core.disclosure.label import VisibleLabel, label
    from sonic_core.finish.canvas import canvas

    side = MEMORY_SIDE
    ground = cv2.GaussianBlur(np.random.default_rng(0).random((side, side, 3)).astype(np.float32), (0, 0), 3)

    def make():
        for k in range(0, seconds * 25, 25):
            yield np.stack([np.roll(ground, int(3 * np.sin(i)), 1) for i in range(k, k + 25)])

    sound = Audio(np.zeros((1, 16000 * seconds), np.float32), 16000)
    clip = Clip(side, side, seconds * 25, Fraction(25), make, sound)
    clip = smooth(clip, 1.0, lambda: lambda frame: None)
    clip = interpolate(clip, 30, "flow")
    return label(canvas(clip, (144, 256), "blur"), VisibleLabel())


def part_memory(data: Path, clips: Path | None, out: Path | None) -> dict:
    """Peak resident memory of the chain for 10 s and for 5 minutes, each in a process of its own."""
    peaks = {}
    for seconds in (10, 300):
        code = f"from benchmarks.finishing import run_chain; run_chain({seconds})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        peaks[seconds] = int(done.stdout.split()[-1]) / 1024
    return {"peak MB": peaks, "growth MB": peaks[300] - peaks[10]}


def run_chain(seconds: int) -> None:
    cv2.setNumThreads(1)
    for _ in chain(seconds).frames():
        pass
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}\n")


def part_pictures(data: Path, clips: Path | None, out: Path | None) -> dict:
    """Label, canvas and alignment as pictures; nothing is measured."""
    from sonic_core.disclosure.label import VisibleLabel, label
    from sonic_core.finish.canvas import canvas
    from sonic_core.quality.plot import plot

    puppet = load_puppet(data, FACE, held_out(data)[:1], 512, 7)
    before = puppet.photo.clip(0, 1)
    clip = Clip.of_frames(before[None], Fraction(25))
    after = next(label(clip, VisibleLabel("zh")).frames())
    picture(out, "finish_label.jpg", [before, after, np.abs(after - before)])
    low, high = puppet.landmarks.min(0), puppet.landmarks.max(0)
    face = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    made = [next(canvas(clip, (288, 512), mode, face).frames()) for mode in ("fit", "blur", "fill")]  # type: ignore[arg-type]
    picture(out, "finish_canvas.jpg", [before, *made])
    if out is not None:
        speech = sounds(data)[0]
        lips = model_lips(speech)
        late = lips[np.maximum(np.arange(len(lips)) - 3, 0)]
        found = match(late, 25.0, speech_opening(speech, len(lips)))
        title = f"lips 120 ms late; found {1000 * found.offset:.0f} ms, confidence {found.confidence:.2f}"
        plot(out / "finish_align.png", late[:, 0], 25.0, speech_opening(speech, len(lips)), 25.0, speech, 16000, title)
        shown = cv2.imread(str(out / "finish_align.png"))
        cv2.imwrite(str(out / "finish_align.jpg"), shown, [cv2.IMWRITE_JPEG_QUALITY, 86])
        (out / "finish_align.png").unlink()
    return {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--clips", type=Path, help="folder of talking MP4s for align")
    parser.add_argument("--out", type=Path, help="write before, after and difference pictures here")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    for name in args.parts:
        result = globals()[f"part_{name}"](args.data, args.clips, args.out)
        sys.stdout.write(json.dumps({name: result}, indent=2) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
