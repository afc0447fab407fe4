from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sonic_core.clip import Audio, Clip
from sonic_core.disclosure.inspect import has_manifest, inspect, parse_record
from sonic_core.errors import InputError
from sonic_core.media.video import save_video


def test_shows_streams_and_metadata(tmp_path: Path) -> None:
    frames = np.zeros((10, 48, 64, 3), np.float32)
    clip = Clip.of_frames(frames, Fraction(25), Audio(np.zeros((2, 6400), np.float32), 16000))
    report = inspect(save_video(clip.replaced(metadata={"title": "test"}), tmp_path / "video.mp4"))
    assert report["video"] == {"codec": "h264", "width": 64, "height": 48, "fps": 25.0, "frames": 10}
    assert report["audio"] == [{"codec": "aac", "rate": 16000, "channels": 2}]
    assert report["metadata"] == {"title": "test"}
    assert report["aigc"] is None and report["content_credentials"] is None


def test_record_that_is_not_json_is_shown_as_it_is() -> None:
    assert parse_record("[1, 2]") == {"unreadable": "[1, 2]"}
    assert parse_record("{") == {"unreadable": "{"}
    assert parse_record(None) is None


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"\0\0\0\0uuid", b"\0\0\0\1free" + b"\0" * 8, b"\0\0\0\x18uuid" + b"\0" * 99]
)
def test_odd_boxes_end_the_search(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.mp4").write_bytes(content)
    assert not has_manifest(tmp_path / "odd.mp4")


def test_refuses_what_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(InputError, match="cannot be read"):
        inspect(tmp_path / "text.mp4")
