"""The command `generate`: a photo and a sound to a video file, with a progress bar and a report."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonic_core.cli.finishing_options import add_finishing_options, finishing_from, signed
from sonic_core.cli.model_options import add_model_options, load_pipeline, model_options
from sonic_core.cli.options import add_settings_options, settings_from
from sonic_core.cli.output_options import add_output_options, output_from
from sonic_core.request import Request

if TYPE_CHECKING:
    from sonic_core.clip import Clip


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("generate", help="make a talking video from a photo and a sound")
    parser.add_argument("--image", required=True, type=Path, help="the portrait: JPEG, PNG, WebP, HEIC and others")
    parser.add_argument("--audio", required=True, type=Path, help="the speech: any sound file, or a video with sound")
    parser.add_argument(
        "--output", required=True, type=Path, help="the video to write, .mp4, .mov, .webm, .gif or .webp"
    )
    add_model_options(parser)
    parser.add_argument("--json", action="store_true", help="print a report as the last line of standard output")
    add_settings_options(parser)
    add_finishing_options(parser)
    add_output_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    settings, wanted, output = settings_from(args), finishing_from(args), output_from(args)
    model_options(args)
    from sonic_core.media.audio import sound_for
    from sonic_core.media.image import load_image

    photo, audio = load_image(args.image), sound_for(args.audio, settings)
    start = time.perf_counter()
    pipe = load_pipeline(args)
    with Bar("sampling") as bar:
        clip = pipe(photo, audio, Request(settings, wanted.finishing), bar.update)
    with Bar("rendering") as bar:
        pipe.save_video(
            output.subtitled(clip), output.path, on_frame=bar.update, encoding=output.encoding, subtitles=output.track
        )
    signed(args.output, wanted)
    if args.json:
        sys.stdout.write(json.dumps(report(clip, pipe.seconds, time.perf_counter() - start)) + "\n")
    else:
        sys.stdout.write(f"{args.output}: {clip.frame_count} frames, {clip.seconds:.2f} s\n")
    return 0


def report(clip: Clip, seconds: dict[str, float], total: float) -> dict[str, Any]:
    """Frames, rate, size, seconds a stage, real-time factor (compute after loading / video) and peak memory."""
    working = sum(value for stage, value in seconds.items() if stage != "load")
    return {
        "frames": clip.frame_count,
        "fps": float(clip.fps),
        "size": [clip.width, clip.height],
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "total_seconds": round(total, 3),
        "real_time_factor": round(working / clip.seconds, 3),
        "peak_memory_mb": round(peak_memory_bytes() / 2**20),
    }


def peak_memory_bytes() -> int:
    """The most memory this process has held at once; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Bar:
    """A progress bar on standard error, driven by (done, total)."""

    def __init__(self, name: str):
        from tqdm import tqdm

        self.bar = tqdm(desc=name, leave=False, disable=not sys.stderr.isatty())

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def update(self, done: int, total: int, preview: Any = None) -> None:
        self.bar.total = total
        self.bar.update(done - self.bar.n)
