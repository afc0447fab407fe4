"""Measure `align` on recordings of people whose lips are late or early by known amounts.

    python benchmarks/aligning.py ../shared/data/grid_other

Every video of the folder is taken to be in sync. It is written again with its sound moved by known offsets, into
several containers (AAC with an edit list, MPEG-TS, PCM, Opus), with random frames left out, with both streams starting
late, and with the sound of every other video, where no answer is right. Each file is then measured as a user's would
be. The error is the offset found minus the true one; "trusted" means that `align` would move the sound.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from sonic_core.clip import Audio, Clip
from sonic_core.media.audio import load_audio
from sonic_core.media.video import open_video
from sonic_core.quality.lip_sync import measure

OFFSETS = (-0.4, -0.25, -0.1, 0.0, 0.1, 0.25, 0.4)  # seconds by which the lips come after the sound
FAR = (-1.2, -0.8, 0.8, 1.2)  # larger than any offset that is searched for, so no answer is right
TICKS = Fraction(1, 90_000)


@dataclass(frozen=True)
class Kind:
    suffix: str
    sound: str = "aac"
    pictures: str = "libx264"
    start: float = 0.0  # seconds of the file at which both streams begin
    dropped: float = 0.0  # share of frames left out


KINDS = {
    "MP4": Kind("mp4"),
    "MKV, Opus": Kind("mkv", "libopus"),
    "MPEG-TS": Kind("ts"),
    "MOV, PCM": Kind("mov", "pcm_s16le"),
    "MP4 that starts at 2 s": Kind("mp4", start=2.0),
    "MKV, a third of the frames left out": Kind("mkv", dropped=0.33),
}


def write(path: Path, clip: Clip, audio: Audio, late: float, kind: Kind) -> None:
    """The clip with its lips `late` seconds after the sound: whichever comes first starts at `kind.start`."""
    rng = np.random.default_rng(0)
    pictures_at, sound_at = kind.start + max(late, 0.0), kind.start + max(-late, 0.0)
    with av.open(str(path), "w") as container:
        video = container.add_stream(kind.pictures, rate=clip.fps, options={"crf": "18"})
        video.width, video.height, video.pix_fmt = clip.width, clip.height, "yuv420p"
        video.codec_context.time_base = TICKS
        layout = "mono" if audio.samples.shape[0] == 1 else "stereo"
        sound = container.add_stream(kind.sound, rate=48_000, layout=layout)
        sound.codec_context.open()
        packets = []
        for index, pixels in enumerate(clip.pictures()):
            if index and rng.random() < kind.dropped:
                continue
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round((pictures_at + float(index / clip.fps)) / TICKS), TICKS
            packets += video.encode(frame)
        packets += video.encode(None)
        block = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio.samples), format="fltp", layout=layout)
        block.rate, block.time_base = audio.rate, Fraction(1, audio.rate)
        block.pts = 0
        context = sound.codec_context
        resampler = av.AudioResampler(context.format, layout, 48_000, context.frame_size or 1024)
        for piece in (*resampler.resample(block), *resampler.resample(None)):
            piece.pts += round(sound_at * 48_000)
            packets += sound.encode(piece)
        packets += sound.encode(None)
        container.start_encoding()
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    files = sorted(path for path in args.folder.iterdir() if path.suffix in (".mpg", ".mp4", ".mov", ".mkv"))
    clips = [(path.stem, open_video(path)) for path in files]
    errors, trusted = defaultdict(list), defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:

        def look(row: str, clip: Clip, audio: Audio, late: float, kind: Kind) -> None:
            path = Path(folder) / f"a.{kind.suffix}"
            write(path, clip, audio, late, kind)
            found = measure(open_video(path))
            errors[row].append(found.offset - late)
            trusted[row].append(found.trusted)

        for number, (name, clip) in enumerate(clips):
            own = clip.audio or load_audio(files[number])
            for label, kind in KINDS.items():
                for late in OFFSETS:
                    look(label, clip, own, late, kind)
            for late in FAR:
                look("beyond 0.6 s: no answer is right", clip, own, late, KINDS["MP4"])
            for other in (clip.audio for index, (_, clip) in enumerate(clips) if index != number):
                if other is not None:
                    look("another one's sound: no answer is right", clip, other, 0.0, KINDS["MP4"])
            sys.stderr.write(f"{name}\n")
    for row in errors:
        off, sure = np.abs(errors[row]), np.array(trusted[row])
        figures = "" if "no answer" in row else f", median error {np.median(errors[row]) * 1000:+.0f} ms, worst "
        figures += "" if "no answer" in row else f"{off.max() * 1000:.0f} ms (trusted: {off[sure].max() * 1000:.0f} ms)"
        sys.stdout.write(f"{row}: {len(off)} files, {sure.sum()} trusted{figures}\n")


if __name__ == "__main__":
    main()
