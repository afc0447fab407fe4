from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sonic_core.clip import Clip
from sonic_core.disclosure.c2pa import load_credentials, read_manifest, self_made_credentials, sign
from sonic_core.disclosure.inspect import has_manifest, inspect
from sonic_core.disclosure.label import label
from sonic_core.errors import InputError, MissingExtraError
from sonic_core.media.video import save_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    frames = np.random.default_rng(0).random((5, 64, 64, 3), np.float32)
    return save_video(label(Clip.of_frames(frames, Fraction(25)), job_id="job-1"), tmp_path / "plain.mp4")


def test_signs_and_notices_a_change(video: Path, tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    signed = sign(video, tmp_path / "signed.mp4")
    report = inspect(signed)
    assert report["content_credentials"]["state"] == "Valid"
    assert report["content_credentials"]["made_by_ai"] and report["content_credentials"]["problems"] == []
    assert report["aigc"]["ProduceID"] == "job-1"
    content = bytearray(signed.read_bytes())
    content[-10] ^= 0xFF
    signed.write_bytes(content)
    assert read_manifest(signed)["state"] == "Invalid"


def test_signs_with_the_users_certificate_in_place(video: Path, tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    made = self_made_credentials("Somebody Ltd")
    (tmp_path / "chain.pem").write_bytes(made.chain)
    (tmp_path / "key.pem").write_bytes(made.key)
    sign(video, video, load_credentials(tmp_path / "chain.pem", tmp_path / "key.pem"))
    assert read_manifest(video)["issuer"] == "Somebody Ltd"
    assert made.key.decode() not in repr(made)


def test_refuses_what_is_no_certificate(video: Path, tmp_path: Path) -> None:
    (tmp_path / "chain.pem").write_text("nonsense")
    with pytest.raises(InputError, match="certificate"):
        load_credentials(tmp_path / "chain.pem", tmp_path / "chain.pem")


def test_unsigned_file_has_no_manifest(video: Path) -> None:
    assert not has_manifest(video)
    assert inspect(video)["content_credentials"] is None


def test_says_what_to_install(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(MissingExtraError, match="provenance"):
        sign(video, video)


def test_a_changed_video_keeps_the_credentials_of_what_it_was_made_from(video: Path, tmp_path: Path) -> None:
    c2pa = pytest.importorskip("c2pa")
    original = sign(video, tmp_path / "original.mp4", self_made_credentials("The Camera"))
    dubbed = sign(video, tmp_path / "dubbed.mp4", self_made_credentials("The Studio"), parent=original)
    report = read_manifest(dubbed)
    assert report["state"] == "Valid" and report["problems"] == [] and report["made_by_ai"]
    assert report["issuer"] == "The Studio" and report["made_from"] == ["original.mp4"]
    with open(dubbed, "rb") as stream, c2pa.Reader("video/mp4", stream) as reader:
        assert "The Camera" in reader.json()


def test_a_parent_in_a_format_without_credentials_is_left_out(video: Path, tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    parent = tmp_path / "parent.mkv"
    parent.write_bytes(b"matroska")
    assert read_manifest(sign(video, tmp_path / "dubbed.mp4", parent=parent))["made_from"] == []
