"""The node Lip Align: what it moves, which way, and when it leaves the clip alone."""

import sys
from fractions import Fraction

import numpy as np
import pytest

from sonic_core.clip import Audio, Clip
from sonic_core.quality.lip_sync import Alignment


@pytest.fixture
def align(nodes, monkeypatch):
    """Runs the node on a clip whose frame 12 is white and whose sound clicks at 0.5 s, with a given measurement."""
    kind = nodes["SonicLipAlign"]
    module = sys.modules[kind.__module__]
    made = sys.modules[kind.__module__.rpartition(".")[0] + ".sockets"].SonicClip

    def run(found, offset, move):
        frames = np.zeros((25, 16, 16, 3), np.float32)
        frames[12] = 1
        sound = np.zeros((1, 16000), np.float32)
        sound[0, 8000] = 1
        clip = Clip.of_frames(frames, Fraction(25), Audio(sound, 16000))
        monkeypatch.setattr(module, "measured", lambda clip: found)
        given = {"measure": found is not None, "lip_sync_offset": offset, "move": move}
        out = kind.execute(clip=made(clip), **given).args[0].clip
        lips = int(np.argmax([frame.mean() for frame in out.frames()]))
        return lips, int(np.abs(out.audio.samples[0]).argmax()), out

    return run


def test_late_lips_are_mended_by_later_sound_or_earlier_frames(align):
    late = Alignment(0.2, 1.0, 0.9, 1.0)
    assert align(late, 0.0, "sound")[:2] == (12, 8000 + 3200)
    assert align(late, 0.0, "frames")[:2] == (12 - 5, 8000)


def test_an_uncertain_measurement_moves_nothing(align):
    for move in ("sound", "frames"):
        assert align(Alignment(0.2, 0.5, 0.3, 1.0), 0.0, move)[:2] == (12, 8000)


@pytest.mark.parametrize(("offset", "frame"), [(0.2, 17), (-0.2, 7)])
def test_by_hand_lips_move_and_neither_sound_nor_length(align, offset, frame):
    lips, click, out = align(None, offset, "sound")
    assert (lips, click, out.frame_count) == (frame, 8000, 25)
