"""Videos as phones, editors, browsers and archives write them: each is read at its length, in sync, as it looks."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

sys.path.insert(0, str(Path(__file__).parent))

from making import clicks, encoded_sound, flashes_seen, flashing_video, sync_error

from sonic_core.errors import InputError
from sonic_core.media.audio import load_audio
from sonic_core.media.probe import probe
from sonic_core.media.timeline import constant_rate
from sonic_core.media.video import open_video

AT = (0.4, 1.2)
SECONDS = 2.0
FRAME = 0.04


@pytest.mark.parametrize(
    ("name", "pictures", "sound", "off"),
    [
        ("camera.avi", "mjpeg", "pcm_s16le", 0.005),
        ("camera.mov", "mjpeg", "pcm_s16le", 0.005),
        ("editor.mov", "prores_ks", "pcm_s24le", 0.005),
        ("archive.mkv", "ffv1", "flac", 0.005),
        ("raw.avi", "rawvideo", "pcm_s16le", 0.005),
        ("player.flv", "flv", "libmp3lame", 0.005),
        ("windows.wmv", "wmv2", "wmav2", 0.05),  # the encoder's priming is not told
        ("dvd.vob", "mpeg2video", "mp2", 0.005),
        ("camcorder.m2ts", "libx264", "ac3", 0.005),
        ("browser.webm", "libvpx", "libopus", 0.01),
        ("divx.avi", "mpeg4", "libmp3lame", 0.05),
        ("phone.3gp", "mpeg4", "aac", 0.005),
    ],
)
def test_videos_of_many_makers(tmp_path: Path, name: str, pictures: str, sound: str, off: float) -> None:
    path, pixels = tmp_path / name, {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le"}.get(pictures, "yuv420p")
    write(path, pictures, sound, pixels)
    info, clip = probe(path), open_video(path)
    assert info.kind == "video" and clip.fps == 25
    assert abs(clip.seconds - SECONDS) < 1.5 * FRAME and abs(info.seconds - SECONDS) < 1.5 * FRAME
    assert sync_error(clip) <= off


def write(path: Path, pictures: str, sound: str, pixels: str, size: tuple[int, int] = (64, 48)) -> None:
    """A video of SECONDS at 25 frames a second that flashes and clicks at AT, in any format of pixels."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(pictures, rate=25)
        video.width, video.height, video.pix_fmt = *size, pixels
        heard = container.add_stream(sound, rate=48_000, layout="mono")
        heard.bit_rate = 96_000
        packets = []
        for index in range(round(SECONDS / FRAME)):
            lit = any(at <= index * FRAME + 1e-6 < at + 0.12 for at in AT)
            frame = av.VideoFrame.from_ndarray(np.full((*size[::-1], 3), 235 if lit else 20, np.uint8), format="rgb24")
            frame = frame.reformat(format=pixels)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode(None)
        packets += encoded_sound(heard, clicks(AT, 0, SECONDS, 48_000), 0.0, 48_000, None)
        container.start_encoding()
        for packet in sorted(packets, key=lambda p: (p.dts if p.dts is not None else 0) * p.time_base):
            container.mux(packet)


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv422p", "yuv422p10le", "yuv444p", "yuvj420p"])
def test_every_depth_and_sampling_of_h264(tmp_path: Path, pixels: str) -> None:
    path = tmp_path / "a.mp4"
    write(path, "libx264", "aac", pixels)
    clip = open_video(path)
    frames = np.concatenate(list(clip.pixels()))
    assert sync_error(clip) < 0.005
    assert abs(int(frames[0].mean()) - 20) <= 2 and abs(int(frames[round(0.5 / FRAME)].mean()) - 235) <= 2


def copied(source: Path, target: Path, first: float = 0.0, shift: float = 0.0, index: int | None = None) -> None:
    """What `ffmpeg -ss FIRST -i SOURCE -c copy TARGET` does, moved by `shift` seconds; `index`: one stream alone."""
    with av.open(str(source)) as old, av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as new:
        kept = [stream for stream in old.streams if index is None or stream.index == index]
        copies = {stream.index: new.add_stream_from_template(stream) for stream in kept}
        for packet in old.demux(kept):
            if packet.dts is None or float(packet.pts * packet.time_base) < first:
                continue
            moved = round((shift - first) / packet.time_base)
            packet.dts, packet.pts = packet.dts + moved, packet.pts + moved
            packet.stream = copies[packet.stream_index]
            new.mux(packet)


@pytest.mark.parametrize(
    ("name", "codec", "first", "shift"),
    [
        *((name, "mjpeg", 0.2, 0.0) for name in ("a.mp4", "a.mkv", "a.mov")),
        *((name, "libx264", 0.0, 3600.0) for name in ("a.mp4", "a.mkv", "a.mov")),
        ("a.ts", "libx264", 0.0, 3600.0),
        ("a.ts", "libx264", 0.0, 95_443.0),  # the clock of MPEG-TS starts anew on the way
    ],
)
def test_copies_that_begin_in_the_middle_or_hours_in(
    tmp_path: Path, name: str, codec: str, first: float, shift: float
) -> None:
    write(tmp_path / "whole.mp4", codec, "aac", "yuvj420p" if codec == "mjpeg" else "yuv420p")
    copied(tmp_path / "whole.mp4", tmp_path / name, first, shift)
    clip = open_video(tmp_path / name)
    assert sync_error(clip) < 0.005
    assert abs(flashes_seen(clip)[0] - (AT[0] - first)) < 2 * FRAME


def test_raw_pictures_of_a_research_tool(tmp_path: Path) -> None:
    """YUV4MPEG, as encoders are tested with: no time stamps, no sound."""
    levels = range(20, 220, 20)
    grey = bytes([128]) * (64 * 48 // 2)  # both planes of chroma
    frames = [b"FRAME\n" + bytes([level]) * (64 * 48) + grey for level in levels]
    (tmp_path / "a.y4m").write_bytes(b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg\n" + b"".join(frames))
    clip = open_video(tmp_path / "a.y4m")
    assert "(YUV4MPEG, 64 x 48, 0.40 s)" in probe(tmp_path / "a.y4m").words and clip.fps == 25
    means = [picture.mean() for picture in clip.pictures()]
    assert means == pytest.approx([(level - 16) * 255 / 219 for level in levels], abs=1)


def test_a_rate_of_which_every_other_tick_is_empty_is_halved() -> None:
    """H.264 copied into AVI: the header says 50 a second, 25 are there, the last one a tick early."""
    times = np.r_[np.arange(1, 75) / 25, 2.98]
    assert constant_rate(times, [Fraction(50)], 64 * 48).fps == 25
    assert constant_rate(np.arange(100) / 50, [Fraction(50)], 64 * 48).fps == 50
    gif = np.round(np.arange(60) / 0.30) / 100  # hundredths of a second
    assert constant_rate(gif, [Fraction(30)], 64 * 48).fps == 30, "and not 100"
    assert constant_rate(np.cumsum([0.1, 0.05, 0.02, 0.13] * 5), [Fraction(20)], 64 * 48).fps == 100
    assert constant_rate(np.arange(10) * 5.0, [Fraction(25)], 64 * 48).fps == 25, "a slide show is no 0.2 a second"


@pytest.mark.parametrize(("share", "name"), [(0.6, "a.ts"), (0.6, "a.mkv"), (0.6, "fast.mp4"), (0.7, "fragments.mp4")])
def test_what_there_is_of_a_damaged_tail_is_read(tmp_path: Path, share: float, name: str) -> None:
    flags = {"fast.mp4": "faststart", "fragments.mp4": "frag_keyframe+empty_moov+default_base_moof"}.get(name, "")
    options = {"movflags": flags, "frag_duration": "200000"} if "frag" in flags else {"movflags": flags}
    flashing_video(tmp_path / name, AT, seconds=SECONDS, options=options if flags else {}, size=(320, 240))
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: round(share * len(whole))])
    clip = open_video(tmp_path / name)
    assert 0.2 * SECONDS < clip.seconds < SECONDS
    assert sum(len(chunk) for chunk in clip.pixels()) == clip.frame_count


def test_an_mp4_without_its_index_is_refused(tmp_path: Path) -> None:
    flashing_video(tmp_path / "a.mp4", AT, seconds=SECONDS, size=(320, 240))
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="it is an MP4 or MOV that was not finished or is damaged"):
        open_video(tmp_path / "a.mp4")


def transparent(path: Path, codec: str, pixels: str) -> None:
    """Ten red frames whose right half is transparent, with blue hidden beneath."""
    picture = np.zeros((48, 64, 4), np.uint8)
    picture[:, :32] = (200, 30, 30, 255)
    picture[:, 32:] = (30, 30, 200, 0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        stream.options = {"auto-alt-ref": "0", "crf": "10"} if "vpx" in codec else {}
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format=pixels)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mov", "qtrle", "argb"),
        ("b.mov", "prores_ks", "yuva444p10le"),
        ("c.mov", "png", "rgba"),
        ("d.webm", "libvpx-vp9", "yuva420p"),
        ("e.webm", "libvpx", "yuva420p"),
    ],
)
def test_transparent_videos_lie_on_white(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    if codec not in av.codecs_available:
        pytest.skip("this PyAV has no libvpx")
    transparent(tmp_path / name, codec, pixels)
    frame = next(open_video(tmp_path / name).pixels())[0].astype(int)
    assert np.abs(frame[24, 8] - (200, 30, 30)).max() <= 4
    assert np.abs(frame[24, 56] - 255).max() <= 4


def test_a_single_frame_and_no_sound(tmp_path: Path) -> None:
    flashing_video(tmp_path / "a.mp4", (0.0,), seconds=FRAME, sound_end=FRAME)
    copied(tmp_path / "a.mp4", tmp_path / "one.mp4", index=0)
    clip = open_video(tmp_path / "one.mp4")
    assert clip.frame_count == 1 and clip.audio is None
    with pytest.raises(InputError, match="holds no sound: it is a video"):
        load_audio(tmp_path / "one.mp4")


def test_sides_of_any_length(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", "libx264", "aac", "yuv444p", (63, 47))
    clip = open_video(tmp_path / "a.mp4")
    assert (clip.width, clip.height) == (63, 47) and sync_error(clip) < 0.005
    write(tmp_path / "b.avi", "rawvideo", "pcm_s16le", "yuv420p", (8, 8))
    with pytest.raises(InputError, match="is a video of 8 x 8; that size cannot be used"):
        open_video(tmp_path / "b.avi")


def test_pixels_of_an_impossible_shape_are_taken_as_square(tmp_path: Path) -> None:
    flashing_video(tmp_path / "a.mp4", AT, seconds=SECONDS)
    with av.open(str(tmp_path / "a.mp4")) as old, av.open(str(tmp_path / "b.mp4"), "w") as new:
        copies = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        copies[0].sample_aspect_ratio = Fraction(1, 100)
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                new.mux(packet)
    clip = open_video(tmp_path / "b.mp4")
    assert (clip.width, clip.height) == (64, 48)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello\n" * 50, "it is a text"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\na.ts\n", "it is a playlist"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 5004 RTP/AVP 0\n", "it is a text"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(500), "it is a camera's raw picture"),
        (b"\0\0\0\1\x67" + bytes(500), "it is a raw H.264 stream without a container"),
        (b"\0\0\0\x18stypmsdh" + bytes(500), "it is a part of a streamed MP4 without its beginning"),
        (np.random.default_rng(0).bytes(50_000), "cannot be read as video"),
    ],
)
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(InputError, match=words):
        open_video(tmp_path / "a.mp4")


def two_tracks(path: Path, first: tuple[str, int, int], shown: int) -> None:
    """A track of (codec, side, frames) before one of 64 x 64 and 50 frames; `shown` is the one marked as default."""
    tracks = (first, ("libx264", 64, 50))
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=25) for codec, _, _ in tracks]
        for number, (stream, (codec, side, _)) in enumerate(zip(streams, tracks, strict=True)):
            stream.width = stream.height = side
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = Disposition.default if number == shown else Disposition(0)
        for number, (stream, (_, side, count)) in enumerate(zip(streams, tracks, strict=True)):
            for index in range(count):
                grey = np.full((side, side, 3), 40 + 100 * number, np.uint8)
                frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
                frame.pts = index
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


@pytest.mark.parametrize(("first", "shown"), [(("libx264", 32, 50), 1), (("mjpeg", 32, 1), 1), (("mjpeg", 32, 1), 0)])
def test_the_track_that_players_show_is_read(tmp_path: Path, first: tuple[str, int, int], shown: int) -> None:
    """Not a camera's preview and not a cover, whether it is marked as one or not."""
    two_tracks(tmp_path / "a.mp4", first, shown)
    clip = open_video(tmp_path / "a.mp4")
    assert (clip.width, clip.frame_count) == (64, 50)
    assert abs(next(clip.pixels())[0].mean() - 140) < 3


def test_a_protected_file_is_named_and_not_read_as_noise(tmp_path: Path) -> None:
    for kind, sound in ((b"avc1", False), (b"mp4a", True)):
        flashing_video(tmp_path / "a.mp4", AT, seconds=SECONDS)
        data = (tmp_path / "a.mp4").read_bytes()
        place = data.index(b"stsd", data.index(b"soun" if sound else b"vide")) + 16
        assert data[place : place + 4] == kind
        (tmp_path / "a.mp4").write_bytes(data[:place] + (b"enca" if sound else b"encv") + data[place + 4 :])
        for read in (open_video, load_audio):
            with pytest.raises(InputError, match=r"is protected against copying \(MP4\)"):
                read(tmp_path / "a.mp4")


def test_pictures_that_change_their_size_on_the_way(tmp_path: Path) -> None:
    """A recording of a call: each part fills the frame; what cannot be copied into an MP4 is encoded anew."""
    for name, size in (("a.ts", (64, 48)), ("b.ts", (96, 72))):
        flashing_video(tmp_path / name, AT, seconds=SECONDS, size=size)
    (tmp_path / "c.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    clip = open_video(tmp_path / "c.ts")
    assert (clip.width, clip.height) == (64, 48) and len(flashes_seen(clip)) == 4
    assert sum(len(chunk) for chunk in clip.pixels()) == clip.frame_count
