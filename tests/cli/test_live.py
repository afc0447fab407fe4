"""The command `live` into a file, and what it refuses before anything is loaded."""

import os
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1] / "live"))

from bar_talk import BarTalk, BigTalk, tone

from sonic_core.cli.live import interrupt_sets, into_file, paced_frames
from sonic_core.cli.main import main
from sonic_core.disclosure.label import VisibleLabel
from sonic_core.live import sources
from sonic_core.live.pace import unpaced
from sonic_core.live.session import LiveSession


def words(portrait_path, source, target, *more):
    sources = source if isinstance(source, list) else [str(source)]
    return ["live", "--image", str(portrait_path), "--audio-from", *sources, "--to", str(target), *more]


def test_two_sounds_into_one_file(portrait_path, speech_path, tmp_path, capsys):
    from sonic_core.media.audio import load_audio, trimmed

    part = trimmed(load_audio(speech_path), 0.5, 1.0)
    soundfile.write(tmp_path / "a.wav", part.samples.T, part.rate)
    more = ("--preset", "fast", "--steps", "4", "--min-resolution", "128", "--label", "en")
    command = words(portrait_path, [str(tmp_path / "a.wav")] * 2, tmp_path / "talk.mp4", *more)
    assert main(command) == 0 and "50 frames" in capsys.readouterr().out
    with av.open(str(tmp_path / "talk.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 50 and "AIGC" in container.metadata
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_pipe_that_stays_silent_does_not_hold_up_the_end(monkeypatch):
    """A thread that still reads standard input while the interpreter shuts down aborts the process."""
    end, mouth = os.pipe()
    monkeypatch.setattr(sources.sys, "stdin", SimpleNamespace(fileno=lambda: end))
    stop = threading.Event()
    frames = paced_frames(LiveSession(BarTalk()), sources.standard_input(stop), stop)
    next(frames)
    assert "live sound" in [thread.name for thread in threading.enumerate()]
    stop.set()
    assert len(list(frames)) < 25, "an interrupt before any sound came is no error"
    assert "live sound" not in [thread.name for thread in threading.enumerate()]
    os.close(mouth)
    os.close(end)


def test_an_interrupt_ends_a_talk_from_a_pipe_and_keeps_its_file(monkeypatch, tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(1.0, 16000), 16000)
    end, mouth = os.pipe()
    os.write(mouth, (tmp_path / "a.wav").read_bytes())  # and stays open
    monkeypatch.setattr(sources.sys, "stdin", SimpleNamespace(fileno=lambda: end))
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)  # ignored, where the tests run in the background of a shell
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with interrupt_sets(stop):
        frames = unpaced(LiveSession(BigTalk()), sources.standard_input(stop))
        into_file(frames, BigTalk.size, tmp_path / "talk.mp4", VisibleLabel("AI"))
    assert stop.is_set() and signal.getsignal(signal.SIGINT) is before
    with av.open(str(tmp_path / "talk.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == pytest.approx(25, abs=2)
    os.close(mouth)
    os.close(end)


@pytest.mark.parametrize(
    ("source", "target", "more", "reason"),
    [
        ("mic", "http://host/x", (), "begins with 'http'"),
        ("nothing.wav", "rtmp://host/app/key", (), "does not exist"),
        (["mic", "a.wav"], "rtmp://host/app/key", (), "stand alone"),
        ("mic", "a.mp4", ("--loop",), "never ends"),
        ("mic", "a.mp4", ("--label", "\U0001f600"), "font"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(portrait_path, capsys, source, target, more, reason):
    assert main(words(portrait_path, source, target, *more)) == 2
    assert reason in capsys.readouterr().err
