import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from making import flashing_video

from sonic_core.cli.main import main
from sonic_core.clip import Clip
from sonic_core.errors import InputError, SettingsError
from sonic_core.finish.subtitles import font_for, subtitled
from sonic_core.media.subtitles import Cue, decoded, embedded_subtitles, read_subtitles, without_overlaps
from sonic_core.media.video import open_video, save_video

SRT = """1
00:00:00,500 --> 00:00:01,200
Hello, <i>world</i>

2
00:00:01,000 --> 00:00:02,5
{\\an8}A &amp; B
second line
"""
VTT = """WEBVTT - a title

NOTE a remark
that goes on

intro
00:00.500 --> 00:01.200 align:start
<v Ann>Hello, world
"""


def test_srt_and_vtt_are_read(tmp_path):
    (tmp_path / "a.srt").write_text(SRT)
    (tmp_path / "a.vtt").write_text(VTT)
    assert read_subtitles(tmp_path / "a.srt") == [
        Cue(0.5, 1.2, "Hello, world"),
        Cue(1.0, 2.5, "A & B\nsecond line"),
    ]
    assert read_subtitles(tmp_path / "a.vtt") == [Cue(0.5, 1.2, "Hello, world")]


def test_encodings_of_the_world():
    for text, encoding in (
        ("Grüße", "utf-8-sig"),
        ("你好，世界", "utf-16"),
        ("你好，世界", "gb18030"),
        ("Größe", "cp1252"),
    ):
        assert decoded(text.encode(encoding)) == text


def test_files_without_cues_are_refused(tmp_path):
    (tmp_path / "a.srt").write_text("just words")
    with pytest.raises(InputError, match="no cue"):
        read_subtitles(tmp_path / "a.srt")


def test_overlapping_cues_are_shown_together_in_a_track():
    cues = [Cue(0, 2, "a"), Cue(1, 3, "b")]
    assert without_overlaps(cues) == [Cue(0, 1, "a"), Cue(1, 2, "a\nb"), Cue(2, 3, "b")]


def test_subtitles_are_drawn_while_their_cue_lasts_and_above_the_buttons_of_tall_videos(tmp_path):
    for size, lowest in (((160, 120), 0.97), ((120, 240), 0.82)):
        flashing_video(tmp_path / "a.mp4", [], size=size, seconds=2)
        clip = open_video(tmp_path / "a.mp4")
        frames = np.stack(list(subtitled(clip, [Cue(0.5, 1.2, "Hello")]).frames()))
        lit = frames.max((1, 2, 3)) > 0.5
        assert np.flatnonzero(lit)[0] == 13 and np.flatnonzero(lit)[-1] == 29  # 0.52 s to 1.16 s at 25 fps
        rows = np.flatnonzero(frames[20].max((1, 2)) > 0.5)
        assert 0.5 * size[1] < rows[0] and rows[-1] < lowest * size[1]


def test_letters_that_no_font_has_are_said_before_the_work():
    with pytest.raises(SettingsError, match="font"):
        font_for("\U00013000")


def test_a_track_is_written(tmp_path):
    flashing_video(tmp_path / "a.mp4", [0.5])
    (tmp_path / "a.srt").write_text(SRT)
    command = ["finish", str(tmp_path / "a.mp4"), "--subtitles", str(tmp_path / "a.srt"), "--subtitles-mode", "track"]
    assert main([*command, "--output", str(tmp_path / "b.mp4")]) == 0
    with av.open(str(tmp_path / "b.mp4")) as container:
        stream = container.streams.subtitles[0]
        shown = [(float(p.pts * p.time_base), bytes(p)[2:].decode()) for p in container.demux(stream) if p.size > 2]
    assert shown == [(0.5, "Hello, world"), (1.0, "Hello, world\nA & B\nsecond line"), (1.2, "A & B\nsecond line")]
    assert main([*command, "--output", str(tmp_path / "b.gif")]) == 2


def test_the_subtitles_in_a_video_are_read(tmp_path):
    cues = [Cue(0.2, 1.0, "Hello\nyou"), Cue(1.2, 1.9, "你好")]
    clip = Clip.of_frames(np.zeros((50, 64, 64, 3), np.float32), Fraction(25))
    assert embedded_subtitles(save_video(clip, tmp_path / "with.mp4", subtitles=cues)) == cues
    assert embedded_subtitles(save_video(clip, tmp_path / "without.mp4")) == []
