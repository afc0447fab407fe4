"""Formats, codecs and sizes of written videos."""

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from making import flashes_seen, flashing_video, sync_error

from sonic_core.cli.main import main
from sonic_core.clip import Clip
from sonic_core.errors import OutputError, SettingsError
from sonic_core.media import codecs
from sonic_core.media.codecs import MAX_BLOCKS, MAX_SIDE, Encoding, plan_for, playable_size
from sonic_core.media.encoding import encode
from sonic_core.media.probe import probe
from sonic_core.media.video import open_video, save_video

FLASHES = [0.52, 1.2, 2.0]
KNOWN = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9", "gif": "gif"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("codecs") / "a.mp4"
    flashing_video(path, FLASHES, size=(160, 120))
    return open_video(path).replaced(metadata={"AIGC": '{"Label":"1"}'})


@pytest.mark.parametrize(
    ("name", "codec", "stored"),
    [
        ("a.mp4", None, "h264"),
        ("a.mp4", "hevc", "hevc"),
        ("a.mp4", "av1", "av1"),
        ("a.mov", "hevc", "hevc"),
        ("a.webm", None, "vp9"),
        ("a.webm", "av1", "av1"),
        ("a.gif", None, "gif"),
    ],
)
def test_every_format_and_codec_can_be_read_back(clip, tmp_path, name, codec, stored):
    if KNOWN[codec or stored] not in av.codecs_available:
        pytest.skip("this PyAV has no such encoder")
    path = save_video(clip, tmp_path / name, encoding=Encoding(codec=codec))
    info, back = probe(path), open_video(path)
    assert info.picture.codec == stored and back.frame_count == clip.frame_count
    assert np.allclose(flashes_seen(back), FLASHES, atol=0.005)
    if name != "a.gif":
        assert sync_error(back) < 0.005 and info.metadata["AIGC"] == '{"Label":"1"}'
    mean = [next(c.frames()).mean((0, 1)) for c in (clip, back)]
    assert np.abs(mean[0] - mean[1]).max() < 0.02


def test_a_webp_moves(clip, tmp_path):
    from PIL import Image

    with Image.open(save_video(clip, tmp_path / "a.webp")) as picture:
        assert picture.size == (160, 120) and picture.n_frames > 3


def test_hevc_carries_the_tag_that_apple_players_ask_for(clip, tmp_path):
    path = save_video(clip, tmp_path / "a.mp4", encoding=Encoding(codec="hevc"))
    assert b"hvc1" in path.read_bytes()


def test_choices_that_cannot_be_followed_are_refused_before_the_work(clip, tmp_path):
    for name, encoding, kind, says in (
        ("a.avi", Encoding(), OutputError, r"must end in one of \.mp4"),
        ("a.mp4", Encoding(format="webm"), OutputError, r"\.webm"),
        ("a.mp4", Encoding(codec="vp9"), SettingsError, "h264 or hevc or av1"),
        ("a.gif", Encoding(codec="h264"), SettingsError, "leave codec out"),
    ):
        with pytest.raises(kind, match=says):
            plan_for(tmp_path / name, encoding)
    for wrong in ({"codec": "mpeg2"}, {"format": "avi"}, {"hardware": "abacus"}, {"crf": 99}):
        with pytest.raises(SettingsError):
            Encoding(**wrong)


HARDWARE_ENCODERS = [
    ("nvenc", "h264"), ("nvenc", "hevc"), ("nvenc", "av1"), ("qsv", "h264"), ("qsv", "hevc"), ("qsv", "av1"),
    ("videotoolbox", "h264"), ("videotoolbox", "hevc"),
]  # fmt: skip
# What FFmpeg's documentation lists for each, and what every encoder knows; none of x264's is among them.
KNOWN_OPTIONS = {
    "nvenc": {"rc", "cq", "b", "preset"},
    "qsv": {"global_quality", "preset"},
    "videotoolbox": {"flags", "global_quality", "allow_sw"},
}


@pytest.fixture
def every_encoder_opens(monkeypatch):
    monkeypatch.setattr(codecs, "why_closed", lambda encoder, options: None)


@pytest.mark.parametrize("crf", [0, 18, 51])
@pytest.mark.parametrize(("hardware", "codec"), HARDWARE_ENCODERS)
def test_hardware_encoders_get_options_and_pixels_they_know(tmp_path, every_encoder_opens, hardware, codec, crf):
    plan = plan_for(tmp_path / "a.mp4", Encoding(crf, codec, hardware=hardware))
    assert plan.encoder == f"{codec}_{hardware}" and set(plan.options) == KNOWN_OPTIONS[hardware]
    assert plan.tag == ("hvc1" if codec == "hevc" else None)
    if plan.encoder not in av.codecs_available:
        return
    assert plan.pixels in {known.name for known in av.Codec(plan.encoder, "w").video_formats}
    # FFmpeg reads options before it looks for the hardware: what it does not understand is an argument error.
    assert refusal(plan.encoder, plan.pixels, plan.options) is not av.ArgumentError
    assert refusal(plan.encoder, plan.pixels, {**plan.options, "preset": "superfast"}) is av.ArgumentError


def refusal(encoder: str, pixels: str, options: dict[str, str]) -> type[Exception] | None:
    context = av.CodecContext.create(encoder, "w")
    context.width = context.height = 256
    context.pix_fmt, context.time_base, context.framerate = pixels, Fraction(1, 25), Fraction(25)
    context.options = options
    try:
        context.open()
    except av.FFmpegError as error:
        return type(error)
    return None


def test_what_is_handed_to_a_hardware_encoder_has_the_right_colours(tmp_path, every_encoder_opens):
    """libx264 takes the place of the encoder and of its options; pixels, tags and all else are the plan's."""
    skin = np.full((1, 48, 64, 3), (224, 172, 140), np.uint8)
    clip = Clip(64, 48, 5, Fraction(25), lambda: iter([skin] * 5))
    plan = plan_for(tmp_path / "a.mp4", Encoding(hardware="qsv"))
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        encode(container, clip, {"crf": "4"}, plan=replace(plan, encoder="libx264"))
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)
    assert np.abs(next(open_video(tmp_path / "a.mp4").pixels())[0].astype(int) - skin[0]).max() <= 1


def test_hardware_that_is_not_there_is_refused_before_the_work_with_the_reason(clip, tmp_path):
    missing = [name for name in ("nvenc", "qsv", "videotoolbox") if codecs.why_closed(f"h264_{name}", ()) is not None]
    if not missing:
        pytest.skip("this machine has every hardware encoder")
    with pytest.raises(SettingsError, match=rf"h264_{missing[0]} does not work on this machine \(.+\); leave hardware"):
        save_video(clip, tmp_path / "a.mp4", encoding=Encoding(hardware=missing[0]))
    assert not list(tmp_path.iterdir())


@given(
    st.integers(16, 9000), st.integers(16, 9000), st.sampled_from([Fraction(25), Fraction(60), Fraction(120)])
)  # fmt: skip
def test_the_playable_size_plays_and_keeps_the_shape(width, height, fps):
    wide, high = playable_size(width, height, fps)
    assert max(wide, high) <= MAX_SIDE and -(-wide // 16) * -(-high // 16) <= MAX_BLOCKS
    assert playable_size(wide, high, fps) == (wide, high)
    if min(wide, high) > 200:
        assert wide / high == pytest.approx(width / height, rel=0.02)


def test_a_picture_too_large_for_players_is_made_smaller_and_said(tmp_path, caplog):
    large = np.full((1, 400, 6000, 3), 128, np.uint8)
    clip = Clip(6000, 400, 2, Fraction(25), lambda: iter([large, large]))
    path = save_video(clip, tmp_path / "a.mp4")
    assert probe(path).width == 4096 and "4096 x 272" in caplog.text
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.extradata[3] <= 52  # the level, times ten
    assert probe(save_video(clip, tmp_path / "b.mp4", encoding=Encoding(full_size=True))).width == 6000


def test_a_command_refuses_an_output_before_it_works(tmp_path, capsys):
    flashing_video(tmp_path / "a.mp4", FLASHES)
    for output in ("no/b.mp4", "b.avi", "a.mp4/b.mp4"):
        assert main(["finish", str(tmp_path / "a.mp4"), "--output", str(tmp_path / output)]) == 2
        assert "error: " in capsys.readouterr().err
    (tmp_path / "folder.mp4").mkdir()
    assert main(["finish", str(tmp_path / "a.mp4"), "--output", str(tmp_path / "folder.mp4")]) == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mp4", "folder.mp4"]
