"""The command `live`: a photo speaks for as long as there is sound, to a platform, an address or a file."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonic_core.cli.options import add_settings_options, settings_from
from sonic_core.errors import SettingsError, SonicError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import FrameType

    from sonic_core.disclosure.label import VisibleLabel
    from sonic_core.live.pace import LiveFrame
    from sonic_core.live.session import LiveSession
    from sonic_core.live.sources import Pieces

    Frames = Generator[LiveFrame, None, None]

AHEAD = 2.0  # seconds of sound that may wait to be spoken before more is read
MICROPHONE_BACKLOG = 0.5
READER_SECONDS = 2.0  # the longest wait for the thread that reads the sound


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("live", help="let a photo speak live: to RTMP or UDP, or into a file")
    parser.add_argument("--image", required=True, type=Path, help="the portrait: JPEG, PNG, WebP")
    parser.add_argument(
        "--audio-from",
        required=True,
        nargs="+",
        metavar="SOURCE",
        help="mic, - (standard input, as it comes in), or sound files",
    )
    parser.add_argument("--to", required=True, metavar="TARGET", help="rtmp://..., udp://host:port or FILE.mp4")
    parser.add_argument("--loop", action="store_true", help="begin again after the last file")
    parser.add_argument("--microphone", metavar="DEVICE", help="FFmpeg's name of the microphone")
    parser.add_argument("--label", default="zh", metavar="TEXT", help="language of the AI label, or its text (zh)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps; left out: the GPU when there is one")
    add_settings_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from sonic_core.disclosure.label import VisibleLabel, check_glyphs
    from sonic_core.live.pace import unpaced
    from sonic_core.live.push import scheme
    from sonic_core.live.session import LiveSession
    from sonic_core.media.image import load_image

    settings, label = settings_from(args), VisibleLabel(args.label, seconds=None)
    check_glyphs(label)
    to_file = scheme(args.to) is None
    if to_file and args.loop:
        raise SettingsError("a file that never ends cannot be written; leave --loop out or push to an address")
    stop = threading.Event()
    pieces, photo = pieces_from(args, stop), load_image(args.image)
    from sonic_core.pipeline import SonicPipeline  # torch and the models load only when the inputs are good

    pipe = SonicPipeline.from_pretrained("lite", device=args.device)
    talk = pipe.talk(photo, settings)
    session = LiveSession(talk, MICROPHONE_BACKLOG if args.audio_from == ["mic"] else None)
    if to_file:
        from_microphone = args.audio_from == ["mic"]
        frames = paced_frames(session, pieces, stop) if from_microphone else unpaced(session, pieces)
        endless = from_microphone or args.audio_from == ["-"]
        with interrupt_sets(stop) if endless else nullcontext():
            into_file(frames, session.talk.size, Path(args.to), label)
    else:
        with interrupt_sets(stop):
            to_address(paced_frames(session, pieces, stop), session.talk.size, args.to, label)
    return 0


@contextmanager
def interrupt_sets(stop: threading.Event) -> Iterator[None]:
    """While the block runs, the first Ctrl-C sets `stop`, so that what was spoken is finished; the next interrupts."""

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def pieces_from(args: argparse.Namespace, stop: threading.Event) -> Pieces:
    """Open the sound that the options name; it ends when `stop` is set. Raises SonicError."""
    from sonic_core.live import sources

    if args.audio_from == ["mic"]:
        return sources.microphone(args.microphone)
    if args.audio_from == ["-"]:
        return sources.standard_input(stop)
    if "mic" in args.audio_from or "-" in args.audio_from:
        raise SettingsError("mic and - stand alone; give either one of them or files")
    return sources.playlist(args.audio_from, args.loop)


def into_file(frames: Frames, size: tuple[int, int], path: Path, label: VisibleLabel) -> None:
    """Write the talk into an MP4."""
    import av

    from sonic_core.live.encoder import LiveEncoder
    from sonic_core.media.files import written_whole
    from sonic_core.media.prefetch import ahead

    options = {"movflags": "use_metadata_tags+faststart"}
    count = 0
    with written_whole(path) as temporary, av.open(str(temporary), "w", format="mp4", container_options=options) as out:
        encoder = LiveEncoder(out, size, label)
        with closing(frames), closing(ahead(frames)) as coming:
            for shown in coming:
                encoder.write(shown)
                count += 1
        encoder.finish()
    sys.stdout.write(f"{path}: {count} frames, {count / 25:.2f} s\n")


def to_address(frames: Frames, size: tuple[int, int], address: str, label: VisibleLabel) -> None:
    """Push the talk until its sound ends."""
    from sonic_core.live.push import Push
    from sonic_core.media.prefetch import ahead

    push = Push(address, size, label)
    sys.stderr.write("live; Ctrl-C ends it\n")
    try:
        with closing(frames), closing(ahead(frames)) as coming:
            for shown in coming:
                push.write(shown)
        sys.stderr.write("ended\n")
    finally:
        push.close()


def paced_frames(session: LiveSession, pieces: Pieces, stop: threading.Event) -> Frames:
    """Yield moments at the pace of the clock while a thread reads the sound, until all is spoken or `stop` is set.

    Closing the generator sets `stop`, so that no thread is still reading when the process ends.
    """
    from sonic_core.live.pace import Pace
    from sonic_core.live.sound import RATE

    done = threading.Event()
    failed: list[SonicError] = []

    def feed() -> None:
        try:
            for samples, rate in pieces:
                session.push(samples, rate)
                while session.queue.waiting > AHEAD * RATE and not stop.wait(0.05):
                    pass
                if stop.is_set():
                    return
            session.end()
        except SonicError as error:
            failed.append(error)
        finally:
            done.set()

    reader = threading.Thread(target=feed, name="live sound", daemon=True)
    reader.start()
    try:
        yield from Pace().frames(session, lambda: stop.is_set() or (done.is_set() and session.silent()))
    finally:
        stop.set()
        reader.join(READER_SECONDS)
    if failed:
        raise failed[0]
