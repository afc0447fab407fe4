"""Videos are shown as they are meant: upright, in shape, cropped, deinterlaced, in the colours they were made in."""

import struct
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sonic_core.clip import Clip
from sonic_core.disclosure.inspect import inspect
from sonic_core.media.container import open_media
from sonic_core.media.cropping import Cropping
from sonic_core.media.encoding import ACCURATE
from sonic_core.media.picture import Orientation, orientation_of
from sonic_core.media.probe import probe
from sonic_core.media.tone_map import BT709, BT2020, DISPLAY_P3, HLG, PQ, conversion, to_sdr
from sonic_core.media.video import open_video, save_video

CORNERS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 40, 210), "white": (230, 230, 230)}


def quarters(width: int = 96, height: int = 64) -> np.ndarray:
    """Red and green above, blue and white below."""
    picture = np.zeros((height, width, 3), np.uint8)
    half = height // 2, width // 2
    picture[: half[0], : half[1]], picture[: half[0], half[1] :] = CORNERS["red"], CORNERS["green"]
    picture[half[0] :, : half[1]], picture[half[0] :, half[1] :] = CORNERS["blue"], CORNERS["white"]
    return picture


def soft_field(width: int, height: int) -> np.ndarray:
    """Soft patches of colour, the same each time."""
    patches = np.random.default_rng(0).integers(60, 196, (4, 6, 3), np.uint8)
    return cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)


def written(path: Path, pictures, prepare=lambda stream: None, codec="libx264", pixels="yuv420p", **options) -> Path:
    """`pictures` (n, h, w, 3) uint8 as a video, BT.601 and untagged unless `prepare` tags it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {"crf": "4"})
        first = pictures[0]
        stream.height, stream.width = first.shape[:2] if isinstance(first, np.ndarray) else (first.height, first.width)
        stream.pix_fmt = pixels
        prepare(stream)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24") if isinstance(picture, np.ndarray) else picture
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def seen(path: Path) -> list[str]:
    """The colours in the corners of the first frame: top left, top right, bottom left, bottom right."""
    frame = next(open_video(path).frames()) * 255
    points = [frame[8, 8], frame[8, -8], frame[-8, 8], frame[-8, -8]]
    return [min(CORNERS, key=lambda name: np.abs(point - CORNERS[name]).sum()) for point in points]


@pytest.mark.parametrize(
    ("degrees", "mirrored", "corners"),
    [
        (0, False, "red green blue white"),
        (90, False, "blue red white green"),
        (180, False, "white blue green red"),
        (270, False, "green white red blue"),
        (0, True, "green red white blue"),
        (90, True, "white green blue red"),
        (180, True, "blue white red green"),
        (270, True, "red blue green white"),
    ],
)
def test_rotated_and_mirrored_videos_are_upright(tmp_path, degrees, mirrored, corners):
    path = written(tmp_path / "a.mp4", [quarters()] * 3)
    turned(path, degrees, mirrored)
    assert seen(path) == corners.split()
    info = probe(path)
    assert (info.width, info.height) == ((64, 96) if degrees % 180 else (96, 64))
    assert seen(save_video(open_video(path), tmp_path / "b.mp4")) == corners.split()
    said = inspect(path)
    assert (said["stored"]["rotation"], said["stored"]["mirrored"]) == (degrees, mirrored)
    assert said["video"]["width"] == info.width


def turned(path: Path, degrees: int, mirrored: bool) -> None:
    """Write a display matrix into the track header: mirrored left to right, then turned clockwise."""
    a, b = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    matrix = [-a if mirrored else a, -b if mirrored else b, 0, -b, a, 0, 0, 0, 1]
    fixed = [round(value * (1 << (30 if index % 3 == 2 else 16))) for index, value in enumerate(matrix)]
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # version 0: the matrix comes 40 bytes after the name
    data[place : place + 36] = struct.pack(">9i", *fixed)
    path.write_bytes(data)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
def test_videos_are_read_at_a_half_or_a_quarter_of_their_size(tmp_path, pixels, degrees):
    """Each pixel is about the mean of those it stands for; 10 bits go through libavfilter, the others do not."""
    path = written(tmp_path / "a.mp4", [soft_field(96, 64)] * 2, pixels=pixels)
    turned(path, degrees, mirrored=degrees == 90)
    whole = next(open_video(path).pixels())[0].astype(float)
    for short_side, shrink in ((64, 1), (50, 1), (40, 2), (32, 2), (16, 4)):
        small = next(open_video(path, short_side=short_side).pixels())[0]
        height, width = whole.shape[0] // shrink, whole.shape[1] // shrink
        means = whole.reshape(height, shrink, width, shrink, 3).mean((1, 3))
        assert small.shape == means.shape and np.abs(small - means).max() <= 4 and np.abs(small - means).mean() <= 1


@pytest.mark.parametrize(("pixels", "degrees"), [("yuv420p", 180), ("yuv420p", 90), ("yuv422p", 270)])
def test_odd_sides_keep_their_colours_in_place_when_rotated(tmp_path, pixels, degrees):
    """The outer samples of chroma cover one pixel there; VP9 stores odd sides as they are."""
    path = written(tmp_path / "a.mp4", [soft_field(67, 45)] * 3, codec="libvpx-vp9", pixels=pixels, crf="2")
    upright = next(open_video(path).pixels())[0].astype(int)
    turned(path, degrees, mirrored=False)
    rotated = next(open_video(path).pixels())[0].astype(int)
    assert np.array_equal(np.rot90(upright, -degrees // 90), rotated)


@pytest.mark.parametrize(("aspect", "size"), [((4, 3), (128, 64)), ((1, 2), (96, 128)), ((1, 1), (96, 64))])
def test_pixels_are_made_square(tmp_path, aspect, size):
    def stretched(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(*aspect)

    path = written(tmp_path / "a.mkv", [quarters()] * 3, stretched)
    info = probe(path)
    assert (info.width, info.height) == size and seen(path) == list(CORNERS)
    assert next(open_video(path).frames()).shape == (size[1], size[0], 3)


def test_clean_aperture_and_matroska_crop_are_followed(tmp_path):
    framed = np.pad(quarters(), ((8, 16), (10, 22), (0, 0)))
    path = written(tmp_path / "a.mp4", [framed] * 3)
    width, height = framed.shape[1], framed.shape[0]
    # The middle of the part is off the middle of the whole by half of what is cut more on one side.
    fields = (96, 1, 64, 1, (10 - 22), 2, (8 - 16), 2)
    with_box(path, b"clap", struct.pack(">IIIIiIiI", *fields))
    info = probe(path)
    assert info.picture.view.crop == Cropping(10, 22, 8, 16) and (info.width, info.height) == (96, 64)
    assert seen(path) == list(CORNERS)
    frame = next(open_video(path).frames())
    assert frame[2:-2, 2:-2].max(-1).min() > 0.35, "a black border is left"
    assert (width, height) == (128, 88)


def with_box(path: Path, name: bytes, body: bytes) -> None:
    """Put a box at the end of the first sample entry of an MP4 whose index comes last."""
    data = path.read_bytes()
    box = struct.pack(">I", 8 + len(body)) + name + body
    entry = data.index(b"avc1", data.index(b"stsd")) - 4
    size = int.from_bytes(data[entry : entry + 4], "big")
    grown = bytearray(data[: entry + size] + box + data[entry + size :])
    places = [data.index(kind) - 4 for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")]
    for place in (*places, entry):
        grown[place : place + 4] = struct.pack(">I", int.from_bytes(data[place : place + 4], "big") + len(box))
    path.write_bytes(grown)


def test_interlaced_videos_have_no_combs(tmp_path):
    frames = []
    for index in range(12):
        picture = np.full((96, 128, 3), 40, np.uint8)
        for field in (0, 1):  # the second field shows the bar further on
            left = 10 + 8 * index + 4 * field
            picture[field::2, left : left + 24] = 220
        frames.append(picture)
    path = written(tmp_path / "a.mp4", frames, **{"crf": "4", "x264-params": "interlaced=1:tff=1"})
    assert probe(path).picture.interlaced and inspect(path)["stored"]["interlaced"]
    middle = list(open_video(path).frames())[5]
    plain = frames[5].astype(np.float32) / 255
    comb = [np.abs(p[1:-1] - (p[:-2] + p[2:]) / 2).mean() for p in (middle, plain)]
    assert comb[0] < 0.3 * comb[1]


def hlg_or_pq(path: Path, level: float, transfer: int) -> Path:
    """A grey field of this stored value, BT.2020, 10 bit."""
    luma = round(64 + 876 * level)

    def tags(stream):
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, transfer, 9, 1

    frame = av.VideoFrame(64, 64, "yuv420p10le")
    for plane, value in zip(frame.planes, (luma, 512, 512), strict=True):
        plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
    options = {"x265-params": "log-level=none"}
    return written(path, [frame] * 3, tags, "libx265", "yuv420p10le", **options)


@pytest.mark.skipif("libx265" not in av.codecs_available, reason="this PyAV cannot write HEVC")
@pytest.mark.parametrize(("transfer", "white"), [(HLG, 0.75), (PQ, 0.5807)])
def test_hdr_white_is_about_white_and_the_order_of_greys_is_kept(tmp_path, transfer, white):
    levels = []
    for level in (0.3 * white, 0.7 * white, white, 1.0):
        path = hlg_or_pq(tmp_path / f"{level}.mp4", level, transfer)
        levels.append(float(next(open_video(path).frames()).mean()) * 255)
    assert levels == sorted(levels) and 240 <= levels[2] <= 252 and levels[3] >= 253
    assert "HDR" in probe(path).picture.colour and "HDR" in inspect(path)["stored"]["colour"]


def test_tone_mapping_by_its_published_points():
    grey = np.full((1, 3), 0.75)
    assert to_sdr(grey, HLG, BT2020) == pytest.approx(to_sdr(np.full((1, 3), 0.5807), PQ, BT2020), abs=0.005)
    assert np.allclose(conversion(BT2020, BT709) @ np.ones(3), 1, atol=1e-3)  # white stays white
    assert conversion(DISPLAY_P3, BT709)[0] == pytest.approx([1.2249, -0.2247, 0], abs=1e-3)


SKIN = np.array([[224, 172, 140], [120, 72, 50], [250, 220, 200], [64, 128, 192], [16, 16, 16], [250, 250, 250]])


def test_five_generations_change_no_colour_beyond_a_level(tmp_path):
    picture = np.repeat(np.repeat(SKIN[None].astype(np.uint8), 64, 0), 32, 1)  # six stripes
    clip = Clip.of_frames(np.stack([picture] * 5).astype(np.float32) / 255, Fraction(25))
    for generation in range(5):
        clip = open_video(save_video(clip, tmp_path / f"{generation}.mp4"))
    last = list(clip.frames())[2] * 255
    middles = [last[16:48, 32 * k + 8 : 32 * k + 24].mean((0, 1)) for k in range(len(SKIN))]
    assert np.abs(np.array(middles) - SKIN).max() <= 1


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "yuvj420p"])
@pytest.mark.parametrize("matrix", [None, 1])
def test_matrix_and_range_of_the_file_are_taken(tmp_path, pixels, matrix):
    """Untagged standard definition is BT.601; what is tagged is read by its tags."""
    flat = av.VideoFrame.from_ndarray(np.broadcast_to(SKIN[0].astype(np.uint8), (64, 64, 3)).copy(), format="rgb24")
    frame = flat.reformat(format=pixels, dst_colorspace=matrix or 5, interpolation=ACCURATE)

    def tags(stream):
        if matrix is not None:
            stream.codec_context.colorspace = matrix

    path = written(tmp_path / "a.mp4", [frame] * 3, tags, pixels=pixels)
    assert np.abs(next(open_video(path).frames())[32, 32] * 255 - SKIN[0]).max() <= 2


def test_orientation_of_frames_without_a_matrix(tmp_path):
    path = written(tmp_path / "a.mp4", [quarters()])
    with open_media(path) as container:
        assert orientation_of(next(container.decode(video=0))) == Orientation()
