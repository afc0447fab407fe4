"""Fifty kinds of files as people have them, each with what the gate is to say of it."""

from __future__ import annotations

import io
import wave
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
from PIL import Image

from sonic_core.media.picture_record import png_chunk, with_chunks

RNG = np.random.default_rng(0)
PHOTO = np.kron(RNG.integers(60, 200, (6, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)  # 128 x 96
TONE = (0.3 * np.sin(np.arange(16_000) / 8)).astype(np.float32)[None]

Maker = Callable[[Path], object]


def picture(format: str, mode: str = "RGB", **options: object) -> Maker:
    return lambda path: Image.fromarray(PHOTO).convert(mode).save(path, format, **options)


def several(format: str, **options: object) -> Maker:
    others = [Image.fromarray(255 - PHOTO), Image.fromarray(PHOTO[::-1].copy())]
    return lambda path: Image.fromarray(PHOTO).save(path, format, save_all=True, append_images=others, **options)


def of_size(width: int, height: int) -> Maker:
    return lambda path: Image.new("RGB", (width, height), (90, 120, 150)).save(path, "PNG")


def sixteen_bits(path: Path) -> None:
    Image.fromarray(PHOTO[..., 0].astype(np.uint16) * 257).save(path, "PNG")


def cut_off(format: str, missing: float) -> Maker:
    """A noisy picture without this share of its bytes at the end."""

    def made(path: Path) -> None:
        whole = io.BytesIO()
        Image.fromarray(RNG.integers(0, 255, (96, 128, 3), dtype=np.uint8)).save(whole, format, quality=95)
        path.write_bytes(whole.getvalue()[: -round(missing * len(whole.getvalue()))])

    return made


def content(data: bytes) -> Maker:
    return lambda path: path.write_bytes(data)


def wav(path: Path, title: bytes = b"", seconds: float = 1.0, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels), file.setsampwidth(2), file.setframerate(16_000)
        samples = np.repeat((np.resize(TONE[0], round(16_000 * seconds)) * 32767).astype("<i2")[:, None], channels, 1)
        file.writeframes(samples.tobytes())
    if title:
        data = path.read_bytes()
        tag = b"INAM" + len(title).to_bytes(4, "little") + title
        listed = b"LIST" + (4 + len(tag)).to_bytes(4, "little") + b"INFO" + tag
        path.write_bytes(data[:4] + (len(data) + len(listed) - 8).to_bytes(4, "little") + data[8:] + listed)


def sound(codec: str, format: str, rate: int = 48_000, layout: str = "stereo", title: str = "") -> Maker:
    def make(path: Path) -> None:
        with av.open(str(path), "w", format=format) as container:
            if title:
                container.metadata["title"] = title
            stream = container.add_stream(codec, rate=rate, layout=layout)
            stream.bit_rate = 96_000
            add_sound(container, stream, rate, layout)

    return make


def add_sound(container, stream, rate: int, layout: str) -> None:
    channels = 1 if layout == "mono" else 2
    wave = np.repeat((0.3 * np.sin(np.arange(rate) / 20)).astype(np.float32)[None], channels, 0)
    context = stream.codec_context
    with suppress(ValueError):  # a muxer that has begun has opened it
        context.open()
    resampler = av.AudioResampler(
        format=context.format, layout=layout, rate=rate, frame_size=context.frame_size or 1024
    )
    frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout=layout)
    frame.rate, frame.pts = rate, 0
    for piece in (*resampler.resample(frame), *resampler.resample(None)):
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


def video(codec: str, format: str, sound_codec: str | None = "aac", title: str = "") -> Maker:
    def make(path: Path) -> None:
        with av.open(str(path), "w", format=format) as container:
            if title:
                container.metadata["title"] = title
            pictures = container.add_stream(codec, rate=25)
            pictures.width, pictures.height, pictures.pix_fmt = 128, 96, "yuv420p"
            heard = container.add_stream(sound_codec, rate=48_000, layout="mono") if sound_codec else None
            for index in range(25):
                frame = av.VideoFrame.from_ndarray(PHOTO, format="rgb24")
                frame.pts = index
                container.mux(pictures.encode(frame))
            container.mux(pictures.encode(None))
            if heard is not None:
                add_sound(container, heard, 48_000, "mono")

    return make


def png_with(kind: bytes, data: bytes) -> Maker:
    """PHOTO as PNG with a chunk behind its header."""

    def make(path: Path) -> None:
        plain = io.BytesIO()
        Image.fromarray(PHOTO).save(plain, "PNG")
        path.write_bytes(with_chunks(plain.getvalue(), png_chunk(kind, data)))

    return make


def floats(path: Path, factor: float = 32_767.0) -> None:
    """A WAV of floats that are 16-bit integers in truth, or times another factor."""
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_f32le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.float32(factor) * TONE, format="flt", layout="mono")
        frame.rate, frame.pts = 16_000, 0
        container.mux(stream.encode(frame))


def protected(make: Maker) -> Maker:
    """An MP4 whose sound says that it is encrypted, as shops sell them."""

    def made(path: Path) -> None:
        make(path)
        data = path.read_bytes()
        place = data.index(b"mp4a", data.index(b"stsd"))
        path.write_bytes(data[:place] + b"enca" + data[place + 4 :])

    return made


def latin_title(make: Maker) -> Maker:
    """A title in Latin-1, which is no UTF-8."""

    def made(path: Path) -> None:
        make(path)
        data = path.read_bytes()
        assert b"XXXXXX" in data
        path.write_bytes(data.replace(b"XXXXXX", b"\xe4\xf6\xfc\xdf\xe9\xff"))

    return made


# name: (maker, what the refusal says, or None where the file is good)
PICTURES: dict[str, tuple[Maker, str | None]] = {
    "photo.jpg": (picture("JPEG"), None),
    "phone.mpo.jpg": (several("MPO"), None),
    "plain.png": (picture("PNG"), None),
    "deep.png": (sixteen_bits, None),
    "clear.png": (picture("PNG", "RGBA"), None),
    "grey.jpg": (picture("JPEG", "L"), None),
    "print.jpg": (picture("JPEG", "CMYK"), None),
    "web.webp": (picture("WEBP"), None),
    "next.avif": (picture("AVIF"), None),
    "old.bmp": (picture("BMP"), None),
    "scan.tiff": (picture("TIFF"), None),
    "one.gif": (picture("GIF"), None),
    "named.mp4": (picture("PNG"), None),
    "workflow.png": (png_with(b"zTXt", b"workflow\0\0" + zlib.compress(bytes(3_000_000))), None),
    "hdr.png": (png_with(b"cICP", bytes([9, 16, 0, 1])), None),
    "two.tiff": (several("TIFF"), "has 3 pages (TIFF)"),
    "moving.gif": (several("GIF"), "is animated (3 pictures, GIF)"),
    "moving.webp": (several("WEBP"), "is animated (3 pictures, WebP)"),
    "moving.avif": (several("AVIF"), "is animated (3 pictures, AVIF)"),
    "tiny.png": (of_size(20, 20), "is 20 x 20 pixels; give one of at least 32"),
    "cut.jpg": (cut_off("JPEG", 0.5), "is cut off"),
    "frayed.png": (cut_off("PNG", 0.02), None),
    "text.jpg": (content(b"just some words\n" * 20), "is not an image that can be read: it is a text"),
    "paper.pdf": (content(b"%PDF-1.7\n" + bytes(200)), "it is a PDF document"),
    "voice.wav": (wav, "is a sound (WAV, 1.00 s)"),
    "film.mp4": (video("libx264", "mp4"), "is a video (MP4, 128 x 96, 1.00 s)"),
}

SOUNDS: dict[str, tuple[Maker, str | None]] = {
    "a.wav": (wav, None),
    "latin.wav": (lambda path: wav(path, b"Gr\xfc\xdfe\x00"), None),
    "many.wav": (lambda path: wav(path, channels=6), None),
    "script.wav": (floats, None),
    "a.flac": (sound("flac", "flac"), None),
    "a.mp3": (sound("libmp3lame", "mp3"), None),
    "a.ogg": (sound("libopus", "ogg"), None),
    "a.m4a": (sound("aac", "mp4"), None),
    "a.wma": (sound("wmav2", "asf", 44_100), None),
    "a.caf": (sound("pcm_s16le", "caf"), None),
    "a.ac3": (sound("ac3", "ac3"), None),
    "a.wv": (sound("wavpack", "wv"), None),
    "a.aiff": (sound("pcm_s16be", "aiff"), None),
    "film.mp4": (latin_title(video("libx264", "mp4", title="XXXXXX")), None),
    "film.ts": (video("libx264", "mpegts"), None),
    "film.webm": (video("libvpx", "webm", "libopus"), None),
    "silent.mp4": (video("libx264", "mp4", None), "holds no sound: it is a video (MP4, 128 x 96, 1.00 s)"),
    "failed.wav": (lambda path: floats(path, np.nan), "has samples that are not finite"),
    "endless.wav": (lambda path: floats(path, 1e30), "where full scale is 1; export it again"),
    "shop.m4a": (protected(sound("aac", "mp4")), "is protected against copying (MP4)"),
    "raw.mp4": (content(b"\0\0\0\1\x67" + bytes(500)), "it is a raw H.264 stream"),
    "part.m4s": (content(b"\0\0\0\x18stypmsdh" + bytes(500)), "it is a part of a streamed MP4"),
    "short.wav": (lambda path: wav(path, seconds=0.02), "is 0.020 s long; give at least"),
    "photo.mp3": (picture("JPEG"), "is a picture (JPEG, 128 x 96 pixels)"),
    "text.mp3": (content(b"no sound at all\n" * 20), "cannot be read as sound"),
    "list.mp3": (content(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), "it is a playlist"),
}
