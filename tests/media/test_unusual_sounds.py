"""Sounds as phones, telephones, browsers, studios and archives write them: each is read at its length, in its place."""

from __future__ import annotations

import io
import struct
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from making import clicks, clicks_heard, encoded_sound

from sonic_core.errors import InputError
from sonic_core.media.audio import load_audio, sound_for
from sonic_core.media.probe import probe
from sonic_core.settings import Settings

AT = (0.3, 1.1)  # seconds at which it clicks
SECONDS = 1.5
# An encoder's priming that the container does not tell, and that no reader can know.
UNTOLD = 0.05


def write(path: Path, codec: str, format: str | None = None, rate: int = 48_000, **options: str) -> Path:
    """A sound of SECONDS that clicks at AT."""
    with av.open(str(path), "w", format=format, options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 96_000
        for packet in encoded_sound(stream, clicks(AT, 0, SECONDS, rate), 0.0, rate, None):
            container.mux(packet)
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate", "late"),
    [
        *(
            (f"{codec}.wav", codec, 48_000, 0)
            for codec in ("pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_u8")
        ),
        *((f"telephone {codec}.wav", codec, 8000, 0) for codec in ("pcm_alaw", "pcm_mulaw")),
        *((f"{rate}.wav", "pcm_s16le", rate, 0) for rate in (8000, 11_025, 22_050, 32_000, 44_100, 96_000, 192_000)),
        ("dictaphone.wav", "adpcm_ima_wav", 22_050, 0),
        ("old.wav", "adpcm_ms", 44_100, 0),
        ("intercom.wav", "g726", 8000, 0),
        ("studio.w64", "pcm_s24le", 48_000, 0),
        ("mac.aiff", "pcm_s16be", 44_100, 0),
        ("logic.caf", "alac", 48_000, 0),
        ("sun.au", "pcm_s16be", 44_100, 0),
        ("blaster.voc", "pcm_u8", 20_000, 0),
        ("lossless.tta", "tta", 44_100, 0),
        ("lossless.wv", "wavpack", 44_100, 0),
        ("lossless.oga", "flac", 48_000, 0),
        ("itunes.m4a", "alac", 44_100, 0),
        ("audiobook.m4b", "aac", 44_100, 0),
        ("whatsapp.opus", "libopus", 48_000, 0),
        ("telegram.oga", "libopus", 48_000, 0),
        ("recorder.weba", "libopus", 48_000, 0),
        ("matroska.mka", "libopus", 48_000, 0),
        ("android.3gp", "aac", 44_100, 0),
        ("voice.amr", "libopencore_amrnb", 8000, UNTOLD),
        ("radio.mp2", "mp2", 48_000, UNTOLD),
        ("stream.aac", "aac", 48_000, UNTOLD),
        ("film.ac3", "ac3", 48_000, UNTOLD),
        ("film.eac3", "eac3", 48_000, UNTOLD),
        ("windows.wma", "wmav2", 44_100, UNTOLD),
        ("music.mp3", "libmp3lame", 44_100, 0),
    ],
)
def test_sounds_of_many_makers(tmp_path: Path, name: str, codec: str, rate: int, late: float) -> None:
    formats = {".m4b": "ipod", ".m4a": "ipod", ".weba": "webm", ".opus": "ogg", ".oga": "ogg", ".mka": "matroska"}
    path = write(tmp_path / name, codec, formats.get(Path(name).suffix), rate)
    info, audio = probe(path), load_audio(path)
    assert info.kind == "audio"
    assert audio.rate == min(rate, 48_000)
    assert abs(audio.seconds - SECONDS) < 0.1 and abs(info.seconds - audio.seconds) < 0.06
    heard = clicks_heard(audio)
    assert len(heard) == len(AT)
    assert all(abs(a - b) <= late + 0.004 for a, b in zip(heard, AT, strict=True)), heard


def test_wav_files_beyond_four_gigabytes_have_another_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", "pcm_s16le", rf64="always")
    assert path.read_bytes()[:4] == b"RF64"
    assert load_audio(path).seconds == pytest.approx(SECONDS)


@pytest.mark.parametrize("name", ["a.mp3", "a.opus"])
def test_recordings_joined_in_one_file_are_heard_one_after_the_other(tmp_path: Path, name: str) -> None:
    codec, format = {"a.mp3": ("libmp3lame", "mp3"), "a.opus": ("libopus", "ogg")}[name]
    one = write(tmp_path / f"one {name}", codec, format).read_bytes()
    (tmp_path / name).write_bytes(one + one)
    audio = load_audio(tmp_path / name)
    assert abs(audio.seconds - 2 * SECONDS) < 0.1
    assert np.allclose(clicks_heard(audio), [*AT, *(SECONDS + at for at in AT)], atol=0.06)
    assert abs(probe(tmp_path / name).seconds - audio.seconds) < 0.06


def test_what_follows_in_another_form_is_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A recorder's Ogg whose second part has another rate: FFmpeg cannot go on, the first part is what there is."""
    first = write(tmp_path / "1", "flac", "ogg", 48_000).read_bytes()
    second = write(tmp_path / "2", "flac", "ogg", 44_100).read_bytes()
    (tmp_path / "a.ogg").write_bytes(first + second)
    audio = load_audio(tmp_path / "a.ogg")
    assert abs(audio.seconds - SECONDS) < 0.1 or abs(audio.seconds - 2 * SECONDS) < 0.1
    assert abs(audio.seconds - 2 * SECONDS) < 0.1 or "'a.ogg' cannot be read to its end" in caplog.text
    assert np.allclose(clicks_heard(audio)[:2], AT, atol=0.01)


def with_cover(path: Path, codec: str, format: str, title: str = "") -> Path:
    """A sound with a cover picture of a million pixels."""
    picture = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (1000, 1000, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(picture, "JPEG", quality=90)
    with av.open(str(path), "w", format=format) as container:
        container.metadata["title"] = title
        sound = container.add_stream(codec, rate=48_000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 1000
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        packets = encoded_sound(sound, clicks(AT, 0, SECONDS, 48_000), 0.0, 48_000, None)
        container.start_encoding()
        packet = av.Packet(picture.getvalue())
        packet.stream, packet.pts, packet.dts, packet.time_base = cover, 0, 0, Fraction(1, 90_000)
        container.mux(packet)
        for packet in packets:
            container.mux(packet)
    return path


@pytest.mark.parametrize(("codec", "format"), [("libmp3lame", "mp3"), ("aac", "mp4"), ("flac", "flac")])
def test_a_cover_picture_makes_no_video(tmp_path: Path, codec: str, format: str) -> None:
    path = with_cover(tmp_path / "标题", codec, format, "标题 — große Oper")
    assert path.stat().st_size > 200_000
    info = probe(path)
    assert info.kind == "audio" and info.picture is None
    assert np.allclose(clicks_heard(load_audio(path)), AT, atol=0.06)


def test_damaged_starts_and_ends(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(5001)
    wav = write(tmp_path / "a.wav", "pcm_s16le").read_bytes()
    mp3 = write(tmp_path / "a.mp3", "libmp3lame").read_bytes()
    for name, content, seconds in (
        ("cut.wav", wav[: len(wav) // 2], SECONDS / 2),
        ("behind.wav", wav + noise, SECONDS),
        ("cut.mp3", mp3[: len(mp3) // 2], SECONDS / 2),
        ("before.mp3", noise + mp3, SECONDS),
    ):
        (tmp_path / name).write_bytes(content)
        assert abs(load_audio(tmp_path / name).seconds - seconds) < 0.15, name
        assert abs(clicks_heard(load_audio(tmp_path / name))[0] - AT[0]) < UNTOLD, name


def test_a_voice_on_one_side_alone_is_heard(tmp_path: Path) -> None:
    wave = clicks(AT, 0, SECONDS, 48_000)
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="stereo")
        block = np.ascontiguousarray(np.concatenate([wave, 0 * wave]))
        frame = av.AudioFrame.from_ndarray(block, "fltp", "stereo")
        frame.rate = 48_000
        for piece in av.AudioResampler("s16", "stereo", 48_000).resample(frame):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    audio = load_audio(tmp_path / "a.wav")
    assert audio.samples.shape[0] == 2 and np.abs(audio.mono()).max() > 0.35


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (bytes(5000), "it is nothing but zeros"),
        (b'{"error": "not found"}', "it is a text"),
        (b"<!DOCTYPE html><html>404</html>", "it is a web page"),
        (b"ID3\x04\0\0\0\0\0\x10" + bytes(40), "it is a damaged MP3"),
        (b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(80), "it is a side file of macOS"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a pointer of Git LFS"),
        (b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96), "it is a MIDI file"),
    ],
)
def test_what_is_no_sound_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.mp3").write_bytes(content)
    with pytest.raises(InputError, match=words):
        load_audio(tmp_path / "a.mp3")


def floats(path: Path, samples: np.ndarray, rate: int = 16_000) -> None:
    """A WAV of 32-bit floats (n,)."""
    data = samples.astype("<f4").tobytes()
    head = struct.pack("<HHIIHH", 3, 1, rate, 4 * rate, 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


@pytest.mark.parametrize("peak", [2.0, 32_767.0])
def test_floats_beyond_full_scale_are_made_quieter_and_not_clipped(tmp_path: Path, peak: float, caplog) -> None:
    """As editors write them before mastering, and scripts that forget to divide by 32768."""
    wave = np.sin(np.arange(16_000) / 8)
    floats(tmp_path / "a.wav", peak * wave)
    samples = [load_audio(tmp_path / "a.wav").samples[0], load_audio((peak * wave, 16_000)).samples[0]]
    assert all(np.abs(found - wave / np.abs(wave).max()).max() < 1e-4 for found in samples)
    assert caplog.text.count("where full scale is 1; it is made that much quieter") == 2
    floats(tmp_path / "b.wav", 1.1 * wave)  # what a lossy codec makes of a loud master stays
    assert np.abs(load_audio(tmp_path / "b.wav").samples).max() == pytest.approx(1.1, abs=1e-3)


def test_a_sample_that_is_no_sound_is_refused(tmp_path: Path) -> None:
    for wrong, words in ((np.nan, "not finite"), (np.inf, "not finite"), (1e30, "samples of 1e.30, where full scale")):
        floats(tmp_path / "a.wav", np.r_[np.zeros(8000), wrong, np.zeros(8000)])
        with pytest.raises(InputError, match=words):
            load_audio(tmp_path / "a.wav")


def test_ten_seconds_of_a_sound_over_the_cap(tmp_path: Path) -> None:
    rate, seconds = 4000, 3 * 3600
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, rate, 1, 8)
    whole = len(head) + 8 + rate * seconds
    with open(tmp_path / "a.wav", "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", whole) + head + b"data" + struct.pack("<I", rate * seconds))
        file.truncate(8 + whole)  # a hole, which takes no room on the disk
    assert 12 < load_audio(tmp_path / "a.wav", until=12).seconds < 13
    assert sound_for(tmp_path / "a.wav", Settings(duration=10, trim=True)).seconds == 10


def test_a_recording_of_a_speech_corpus(tmp_path: Path) -> None:
    """NIST SPHERE, as TIMIT and the Switchboard have it: a header in text, then samples."""
    header = (
        "NIST_1A\n   1024\nchannel_count -i 1\nsample_rate -i 16000\nsample_n_bytes -i 2\n"
        "sample_byte_format -s2 01\nsample_coding -s3 pcm\nend_head\n"
    )
    samples = (clicks(AT, 0, SECONDS, 16_000)[0] * 32767).astype("<i2")
    (tmp_path / "a.sph").write_bytes(header.encode().ljust(1024) + samples.tobytes())
    assert "(NIST SPHERE, 1.50 s)" in probe(tmp_path / "a.sph").words
    assert clicks_heard(load_audio(tmp_path / "a.sph")) == pytest.approx(AT, abs=0.004)


def test_a_sound_of_floats_is_decoded_once(tmp_path: Path, monkeypatch) -> None:
    """An upload has its samples looked at by the gate; who reads the sound looks at what it reads."""
    opened = []
    monkeypatch.setattr("sonic_core.media.probe._peak", lambda *_: opened.append("peak") or 1e30)
    floats(tmp_path / "a.wav", np.full(8000, 0.1, np.float32))
    assert load_audio(tmp_path / "a.wav").length > 0 and not opened
    with pytest.raises(InputError, match="has samples of 1e"):
        probe(tmp_path / "a.wav", "audio")
