"""Reads live sound from files one after another, from standard input or from a microphone, as (samples, 48000)."""

from __future__ import annotations

import os
import platform
import select
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np

from sonic_core.errors import InputError
from sonic_core.live.sound import RATE
from sonic_core.media.container import open_media
from sonic_core.media.files import existing_file

Pieces = Iterator[tuple[np.ndarray, int]]

MICROPHONES = {"linux": ("alsa", "default"), "darwin": ("avfoundation", ":0"), "win32": ("dshow", "audio=default")}


def playlist(paths: Sequence[str | os.PathLike[str]], loop: bool = False) -> Pieces:
    """Yield the sound of the files in turn, for ever if `loop`. Raises InputError at once for an unreadable one."""
    files = [existing_file(path, "audio") for path in paths]
    for file in files:  # an unreadable last file must not end a night's stream
        next(decoded(file), None)

    def pieces() -> Pieces:
        while True:
            for file in files:
                yield from decoded(file)
            if not loop:
                return

    return pieces()


def decoded(path: str | os.PathLike[str]) -> Pieces:
    """Yield the sound of a file, read as it is needed. Raises InputError."""
    name = repr(str(path))
    try:
        with open_media(path) as container:
            yield from _sound_of(container, name)
    except av.FFmpegError as error:
        raise InputError(f"audio {name} cannot be read ({error.strerror}); give a file with sound") from error


class Pipe:
    """A file descriptor that reads as ended once `stop` is set: an endless read would hold up the exit."""

    def __init__(self, descriptor: int, stop: threading.Event):
        self.descriptor, self.stop = descriptor, stop

    def read(self, count: int) -> bytes:
        """Return what has come, at most `count` bytes, and b"" at the end or when `stop` is set."""
        while not self.stop.is_set():
            if (
                sys.platform == "win32" or select.select([self.descriptor], [], [], 0.1)[0]
            ):  # it has select for sockets only
                return os.read(self.descriptor, count)
        return b""


def standard_input(stop: threading.Event) -> Pieces:
    """Yield the sound on standard input until `stop` is set, in any container that needs no seeking (WAV, Ogg, MP3).

    Raises InputError.
    """
    try:
        with av.open(Pipe(sys.stdin.fileno(), stop)) as container:
            yield from _sound_of(container, "standard input")
    except av.FFmpegError as error:
        if stop.is_set():
            return  # nothing had come
        raise InputError(f"no sound can be read from standard input ({error.strerror}); pipe in WAV or Ogg") from error


def microphone(device: str | None = None) -> Pieces:
    """Open the microphone and yield what it hears; `device` is FFmpeg's name for it. Raises InputError at once."""
    kind, usual = MICROPHONES.get(sys.platform, MICROPHONES["linux"])
    name = device or usual
    if kind not in av.formats_available:
        raise InputError(f"this PyAV cannot record: it lacks {kind}; pipe sound in with --audio-from - instead")
    if kind == "alsa":
        _find_alsa()
    try:
        opened = av.open(name, format=kind)
    except (av.FFmpegError, OSError) as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"the microphone {name!r} cannot be opened ({reason}); name another one") from error

    def pieces() -> Pieces:
        try:
            with opened as container:
                yield from _sound_of(container, f"microphone {name!r}")
        except av.FFmpegError as error:
            raise InputError(f"the microphone {name!r} has stopped ({error.strerror})") from error

    return pieces()


def _find_alsa() -> None:
    """Tell the ALSA inside PyAV's wheel where the system keeps its settings; by itself it looks where it was built."""
    machine = platform.machine()
    places = {
        "ALSA_CONFIG_PATH": ("/usr/share/alsa/alsa.conf",),
        "ALSA_PLUGIN_DIR": (f"/usr/lib/{machine}-linux-gnu/alsa-lib", "/usr/lib64/alsa-lib", "/usr/lib/alsa-lib"),
    }
    for variable, paths in places.items():
        for path in paths:
            if os.path.exists(path):
                os.environ.setdefault(variable, path)


def _sound_of(container: Any, name: str) -> Pieces:
    if not container.streams.audio:
        raise InputError(f"audio {name} holds no sound; give a file with speech")
    resampler = av.AudioResampler(format="fltp", rate=RATE)  # its own mono of two like channels is 3 dB too loud
    for packet in container.demux(container.streams.audio[0]):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue  # a damaged packet
        for frame in frames:
            for part in resampler.resample(frame):
                yield part.to_ndarray().mean(0), RATE
    for part in resampler.resample(None):
        yield part.to_ndarray().mean(0), RATE
