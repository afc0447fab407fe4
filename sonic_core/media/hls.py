"""Writes a Clip as an HLS stream that plays while it is being made: CMAF segments and a playlist, by FFmpeg's muxer.

The folder then holds `index.m3u8`, `init.mp4` and `segment-00000.m4s` and so on, H.264 and AAC. Every segment begins
with a key frame; the playlist only grows and ends with `#EXT-X-ENDLIST`, so a player may come at any time. There are no
B-frames: they would move the first picture away from the start of the sound in players that ignore edit lists.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from sonic_core.clip import Clip
from sonic_core.errors import OutputError, SettingsError
from sonic_core.media.encoding import X264, encode, made_playable
from sonic_core.media.files import written_whole
from sonic_core.media.remux import remux
from sonic_core.progress import OnStep

PLAYLIST, INIT, SEGMENT = "index.m3u8", "init.mp4", "segment-%05d.m4s"
SEGMENT_SECONDS = 1  # the shorter, the sooner the first one plays


def save_stream(
    clip: Clip,
    folder: str | os.PathLike[str],
    crf: int = 18,
    on_frame: OnStep | None = None,
) -> Path:
    """Write `clip` as an HLS stream into `folder`, which is made if need be, and return the path of the playlist.

    `on_frame(done, total)` is called after each frame; raising from it cancels. Raises OutputError where a stream is
    already or nothing can be written. A stream that is not finished is removed.
    """
    if clip.has_alpha:
        raise SettingsError("a stream cannot be transparent; choose a colour or a picture as background, or a file")
    target = check_folder(folder).resolve()
    clip = made_playable(clip)
    with _removed_on_failure(target):
        target.mkdir(exist_ok=True)
        options = {
            "hls_time": str(SEGMENT_SECONDS),
            "hls_playlist_type": "event",
            "hls_flags": "independent_segments+temp_file",
            "hls_segment_type": "fmp4",
            "hls_fmp4_init_filename": INIT,
            "hls_segment_filename": str(target / SEGMENT),
            "hls_segment_options": "movflags=+use_metadata_tags",
            "avoid_negative_ts": "disabled",  # the sound's encoder delay lies before zero, as in a plain MP4
        }
        with av.open(str(target / PLAYLIST), "w", format="hls", options=options) as container:
            container.metadata.update(clip.metadata)
            gop = str(math.ceil(SEGMENT_SECONDS * clip.fps))
            x264 = {"crf": str(crf), **X264, "bf": "0", "g": gop, "keyint_min": gop, "sc_threshold": "0"}
            encode(container, clip, x264, on_frame)
    return target / PLAYLIST


def segments(playlist: str) -> list[str]:
    """Return the names of the segments that a playlist lists, in order."""
    return [line for line in playlist.splitlines() if line and not line.startswith("#")]


def save_plain(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> Path:
    """Join a finished stream into one MP4 with its index first, without encoding anything again."""
    source = Path(folder)
    names = [INIT, *segments((source / PLAYLIST).read_text())]
    with written_whole(path) as joined:
        with open(joined, "wb") as file:
            for name in names:
                with open(source / name, "rb") as part:
                    shutil.copyfileobj(part, file)
        remux(joined, joined)
    return Path(path)


def check_folder(path: str | os.PathLike[str]) -> Path:
    """Return the path of a folder that a stream may be written into. Raises OutputError if it holds one already."""
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"output {str(folder)!r} is a file; give a folder")
    if not folder.parent.is_dir():
        raise OutputError(f"the folder above output {str(folder)!r} does not exist; make it first")
    if "%" in str(folder.resolve()):
        raise OutputError(
            f"the path {str(folder.resolve())!r} holds a %, which FFmpeg reads as a pattern; give another"
        )
    if _parts(folder):
        raise OutputError(f"the folder {str(folder)!r} holds a stream already; give another, or remove that one")
    return folder


def _parts(folder: Path) -> list[Path]:
    """Return the files of a stream in a folder, including those still being written."""
    return [part for name in (PLAYLIST, INIT, "segment-*.m4s") for part in folder.glob(f"{name}*")]


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        for part in _parts(folder):
            part.unlink(missing_ok=True)
        if isinstance(error, (av.FFmpegError, OSError)):
            remedy = "free space or choose another folder"
            raise OutputError(f"cannot write a stream into {str(folder)!r}: {error.strerror}; {remedy}") from error
        raise
