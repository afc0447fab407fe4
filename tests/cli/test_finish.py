from __future__ import annotations

import argparse
import json
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "media"))

from making import flashes_seen, flashing_video, sync_error

import sonic_core.media.remux as remux_module
import sonic_core.quality.lip_sync as lip_sync
import sonic_core.quality.report as evaluate_module
from sonic_core.cli.finish import add_parser
from sonic_core.clip import Audio, Clip
from sonic_core.disclosure.inspect import inspect
from sonic_core.disclosure.label import label
from sonic_core.errors import InputError, NoFaceError, SettingsError
from sonic_core.media.video import open_video, save_video
from sonic_core.quality.lip_sync import Alignment


@pytest.fixture
def video(tmp_path: Path) -> Path:
    frames = np.random.default_rng(0).random((10, 48, 64, 3)).astype(np.float32)
    sound = Audio(np.random.default_rng(1).normal(0, 0.1, (1, 6400)).astype(np.float32), 16000)
    return save_video(label(Clip.of_frames(frames, Fraction(25), sound), job_id="job-1"), tmp_path / "video.mp4")


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args([str(argument) for argument in arguments])
    return args.run(args)


def test_inspect_prints_json(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", video) == 0
    assert json.loads(capsys.readouterr().out)["aigc"]["ProduceID"] == "job-1"


@pytest.mark.parametrize("move", ["sound", "frames"])
def test_align_mends_what_it_trusts(video: Path, tmp_path: Path, monkeypatch, capsys, move: str) -> None:
    monkeypatch.setattr(lip_sync, "measure", lambda clip: Alignment(0.12, 0.999, 0.8, 1.0))
    output = tmp_path / "aligned.mp4"
    assert run("align", video, "--output", output, "--move", move, "--json") == 0
    assert json.loads(capsys.readouterr().out)["offset"] == 0.12
    before, after = open_video(video), open_video(output)
    moved = after.audio.seconds - before.audio.seconds
    assert moved == pytest.approx(0.12 if move == "sound" else 0, abs=0.1)
    assert inspect(output)["aigc"]["ProduceID"] == "job-1"


def test_align_leaves_what_it_does_not_trust(video: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(lip_sync, "measure", lambda clip: Alignment(0.12, 0.5, 0.3, 1.0))
    assert run("align", video, "--output", tmp_path / "same.mp4") == 0
    assert "uncertain" in capsys.readouterr().out
    assert np.array_equal(open_video(tmp_path / "same.mp4").audio.samples, open_video(video).audio.samples)


def test_align_keeps_a_call_whose_pictures_change_their_size(tmp_path: Path, monkeypatch) -> None:
    for name, size in (("a.ts", (64, 48)), ("b.ts", (96, 72))):
        flashing_video(tmp_path / name, [0.5, 1.2], seconds=2, size=size)
    joined = tmp_path / "joined.ts"
    joined.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    monkeypatch.setattr(lip_sync, "measure", lambda clip: Alignment(0.12, 0.5, 0.3, 1.0))
    for name, fault in (("copied.mp4", None), ("encoded.mp4", InputError("pictures that FFmpeg does not copy"))):
        if fault is not None:
            monkeypatch.setattr(remux_module, "remux", lambda *_, fault=fault: (_ for _ in ()).throw(fault))
        assert run("align", joined, "--output", tmp_path / name) == 0
        before, after = open_video(joined), open_video(tmp_path / name)
        assert (after.width, after.frame_count) == (64, before.frame_count)
        assert len(flashes_seen(after)) == 4 and sync_error(after) < 0.006


def test_align_needs_a_face(video: Path) -> None:
    with pytest.raises(NoFaceError, match="no face"):
        run("align", video)


def test_evaluate_prints_and_draws(video: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(lip_sync, "speech_opening", lambda speech, frames: np.linspace(0, 0.05, frames))
    monkeypatch.setattr(
        evaluate_module.evaluate, "__defaults__", (None, lambda: lambda frame: None, lip_sync.speech_opening, None)
    )
    assert run("evaluate", video, "--json", "--plot", tmp_path / "plot.png") == 0
    assert json.loads(capsys.readouterr().out)["faces"] == 0
    assert (tmp_path / "plot.png").stat().st_size > 1000
    assert run("evaluate", video) == 0
    assert "blinks per minute" in capsys.readouterr().out


def test_finish_does_what_is_asked_and_keeps_the_record(video: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "finished.mp4"
    assert run("finish", video, "--output", output, "--fps", 50, "--canvas", "192x240", "--label", "en") == 0
    assert capsys.readouterr().out == f"{output}: 20 frames, 0.40 s\n"
    report = inspect(output)
    assert report["video"]["width"] == 192 and report["video"]["height"] == 240 and report["video"]["fps"] == 50
    assert report["video"]["frames"] == 20 and report["aigc"]["ProduceID"] == "job-1"


def test_finish_adds_a_record_only_where_it_is_wanted(tmp_path: Path) -> None:
    bare = save_video(Clip.of_frames(np.zeros((3, 64, 64, 3), np.float32), Fraction(25)), tmp_path / "bare.mp4")
    assert run("finish", bare, "--output", tmp_path / "a.mp4") == 0
    assert inspect(tmp_path / "a.mp4")["aigc"]["Label"] == "1"
    shown = tmp_path / "b.mp4"
    assert run("finish", bare, "--output", shown, "--no-record", "--label", "AI", "--label-corner", "top-left") == 0
    assert inspect(shown)["aigc"] is None
    frame = next(open_video(shown).frames())
    assert frame[:32, :32].max() > 0.5 > frame[32:, 32:].max()


def test_finish_signs(video: Path, tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    assert run("finish", video, "--output", tmp_path / "signed.mp4", "--sign") == 0
    assert inspect(tmp_path / "signed.mp4")["content_credentials"]["state"] == "Valid"


def test_certificate_needs_its_key(video: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="key"):
        run("finish", video, "--output", tmp_path / "out.mp4", "--certificate", video)
