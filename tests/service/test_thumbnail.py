"""The small picture of a job's photo or video."""

import io
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from sonic_core.clip import Clip
from sonic_core.fleet.submission import facts_of
from sonic_core.media.video import save_video
from sonic_core.service.thumbnail import thumbnail


def video(path, brightness):
    """640 x 360, a frame for each value of brightness."""
    frames = np.repeat(np.array(brightness, np.float32), 360 * 640 * 3).reshape(-1, 360, 640, 3)
    return save_video(Clip.of_frames(frames, Fraction(25)), path)


def shown(kind, path) -> Image.Image | None:
    made = thumbnail(kind, path, facts_of(kind, path))
    return None if made is None else Image.open(io.BytesIO(made))


@pytest.mark.parametrize(("brightness", "expected"), [([0.6] * 3, 153), ([0.0] * 20 + [0.6] * 10, 153), ([0.0] * 3, 0)])
def test_a_video_shows_its_first_picture_that_is_not_dark(tmp_path, brightness, expected):
    small = shown("video", video(tmp_path / "a.mp4", brightness))
    assert small.format == "JPEG" and small.size == (240, 135)
    assert np.asarray(small).mean() == pytest.approx(expected, abs=4)


def test_a_photo_is_turned_as_its_camera_was_held(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 200), (200, 10, 10)).save(tmp_path / "a.jpg", exif=exif)
    assert shown("image", tmp_path / "a.jpg").size == (120, 240)


def test_what_cannot_be_read_has_none(tmp_path):
    path = video(tmp_path / "a.mp4", [0.6] * 3)
    facts = facts_of("video", path)
    path.write_bytes(path.read_bytes()[:400])
    assert thumbnail("video", path, facts) is None
    (tmp_path / "b.jpg").write_bytes(b"no photo")
    assert thumbnail("image", tmp_path / "b.jpg", {"width": 9, "height": 9}) is None
