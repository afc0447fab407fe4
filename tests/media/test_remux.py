from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sonic_core.clip import Audio, Clip
from sonic_core.disclosure.inspect import inspect
from sonic_core.disclosure.label import label
from sonic_core.errors import InputError
from sonic_core.media.remux import remux
from sonic_core.media.video import open_video, save_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    sound = Audio(rng.normal(0, 0.1, (1, 8000)).astype(np.float32), 16000)
    clip = Clip.of_frames(rng.random((12, 48, 48, 3), np.float32), Fraction(25), sound)
    return save_video(label(clip, job_id="job-1"), tmp_path / "video.mp4")


def frames(path: Path) -> np.ndarray:
    return np.concatenate(list(open_video(path).chunks()))


def test_pictures_sound_and_record_survive(video: Path, tmp_path: Path) -> None:
    copy = remux(video, tmp_path / "copy.mp4")
    assert np.array_equal(frames(copy), frames(video))
    assert np.array_equal(open_video(copy).audio.samples, open_video(video).audio.samples)
    assert inspect(copy)["aigc"]["ProduceID"] == "job-1"


def test_sound_and_metadata_are_replaced_in_place(video: Path) -> None:
    before = frames(video)
    remux(video, video, Audio(np.zeros((1, 8000), np.float32), 16000), {"note": "silent"})
    assert np.array_equal(frames(video), before)
    assert not open_video(video).audio.samples.any()
    report = inspect(video)
    assert report["metadata"]["note"] == "silent" and report["aigc"]["ProduceID"] == "job-1"


def test_refuses_what_holds_no_video(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(InputError):
        remux(tmp_path / "text.mp4", tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
