"""The viseme exam on lips whose every opening is known."""

import json
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from sonic_core.cli.exam import table
from sonic_core.cli.main import main
from sonic_core.clip import Audio, Clip
from sonic_core.errors import InputError, MissingExtraError, NoFaceError
from sonic_core.quality import alignment
from sonic_core.quality.alignment import Phone, align, words
from sonic_core.quality.exam import LipTrack, examine, marks
from sonic_core.quality.exam_plot import plot_exam

TIMES = np.arange(100) / 25


def lips(opening, width=None) -> LipTrack:
    gap = np.array([opening(t) for t in TIMES])
    wide = np.full(100, 0.3) if width is None else np.array([width(t) for t in TIMES])
    return LipTrack(TIMES, gap, wide)


def at(name: str, *starts: float, seconds: float = 0.12) -> list[Phone]:
    return [Phone(name, start, start + seconds) for start in starts]


def test_lips_that_meet_and_part_pass_and_lips_that_hang_open_fail():
    phones = at("M", 0.5, 1.5, 2.5) + at("AA", 1.0, 2.0, 3.0)
    good = marks(lips(lambda t: 0.0 if any(abs(t - m) < 0.05 for m in (0.56, 1.56, 2.56)) else 0.05), phones)
    assert (good.closed, good.open, good.score, good.counts["closed"]) == (1, 1, 1, 3)
    bad = marks(lips(lambda t: 0.018), phones)
    assert (bad.closed, bad.open, bad.score) == (0, 0, 0)


@pytest.mark.parametrize("late", [-0.08, 0.0, 0.08])
def test_how_late_closures_are(late):
    track = lips(lambda t: min(abs(t - middle - late) for middle in (0.56, 1.56, 2.56)))
    assert marks(track, at("B", 0.5, 1.5, 2.5)).lag_frames == pytest.approx(late * 25, abs=0.6)


def test_round_is_narrow_and_spread_is_wide():
    track = lips(lambda t: 0.02, lambda t: 0.3 + 0.02 * np.sign(np.sin(np.pi * t)))
    found = marks(track, at("IY", 0.4, 2.4) + at("W", 1.4, 3.4))
    assert (found.spread, found.round) == (1, 1)
    found = marks(track, at("W", 0.4, 2.4) + at("IY", 1.4, 3.4))
    assert (found.spread, found.round) == (0, 0)


def test_rest_is_reported_and_not_scored_and_few_phones_do_not_count():
    phones = at("SIL", 0.2, seconds=0.6) + at("F", 2.0)
    found = marks(lips(lambda t: 0.014), phones)
    assert (found.rest, found.teeth, found.score) == (0, 1, None)
    assert "0.000" in table(found) and "-" in table(found)


def clip_of(frames: int, audio: Audio | None) -> Clip:
    return Clip(8, 8, frames, Fraction(25), lambda: iter([np.zeros((frames, 8, 8, 3), np.float32)]), audio)


def test_a_clip_without_sound_or_face_is_refused():
    sound = Audio(np.zeros((1, 16000), np.float32), 16000)
    with pytest.raises(InputError, match="no sound"):
        examine(clip_of(25, None), "hello")
    with pytest.raises(NoFaceError, match="face"):
        examine(clip_of(25, sound), "hello", tracker=lambda frame: None, aligner=lambda speech, text: at("M", 0.2))


def test_frames_without_a_face_are_bridged_and_counted():
    track = lips(lambda t: 0.0)
    gap = track.gap.copy()
    gap[10:20] = np.nan
    found = marks(replace(track, gap=gap), at("P", 0.5))
    assert found.tracked == 0.9 and found.closed == 1


def test_a_plot_is_written(tmp_path):
    plot_exam(tmp_path / "exam.png", lips(lambda t: 0.03), at("M", 0.5) + at("IY", 1.0), "clip")
    assert (tmp_path / "exam.png").stat().st_size > 1000


def test_words_of_a_text():
    assert words("It\u2019s Pam\u2014the 2nd, please!") == ["it's", "pam", "the", "nd", "please"]


def test_the_extra_is_named_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(MissingExtraError, match=r"\[exam\]"):
        align(np.zeros(16000, np.float32), "hello")


def test_real_speech_is_aligned_and_strange_words_are_named(speech_path):
    pytest.importorskip("pocketsphinx")
    from sonic_core.media.audio import load_audio, speech_waveform

    speech = speech_waveform(load_audio(speech_path), alignment.SAMPLE_RATE)
    with pytest.raises(InputError, match="xqzt"):
        align(speech, "hello xqzt")
    with pytest.raises(InputError, match="no English words"):
        align(speech, "12 !")


def test_the_command_says_what_is_missing(tmp_path, capsys):
    assert main(["exam", str(tmp_path / "none.mp4"), "--text", "hello"]) == 2
    assert "none.mp4" in capsys.readouterr().err


def test_marks_are_plain_json():
    from dataclasses import asdict

    assert json.loads(json.dumps(asdict(marks(lips(lambda t: 0.03), at("IY", 1.0)))))["counts"]["spread"] == 1
