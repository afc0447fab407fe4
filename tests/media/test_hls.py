"""HLS streams: what a player gets at every moment, and that the whole is the plain video."""

from fractions import Fraction

import av
import numpy as np
import pytest

from sonic_core.clip import Audio, Clip
from sonic_core.errors import OutputError
from sonic_core.media.audio import load_audio
from sonic_core.media.hls import INIT, PLAYLIST, save_plain, save_stream, segments
from sonic_core.media.video import save_video


def counting_clip(frames: int = 88, fps: Fraction = Fraction(25), rate: int = 16000) -> Clip:
    """A bar that moves on with every frame, under noise."""

    def make():
        for index in range(frames):
            picture = np.zeros((1, 64, 64, 3), np.float32)
            picture[:, :, : index % 64] = 0.7
            yield picture

    samples = np.random.default_rng(0).standard_normal((1, int(frames / fps * rate))).astype(np.float32) * 0.1
    return Clip(64, 64, frames, fps, make, Audio(samples, rate), {"AIGC": '{"Label":"1"}'})


def decoded(path) -> tuple[np.ndarray, np.ndarray, dict]:
    with av.open(str(path)) as container:
        pictures = np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])
        metadata = dict(container.metadata)
    with av.open(str(path)) as container:
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], 1)
    return pictures, sound, metadata


@pytest.mark.parametrize(
    ("fps", "rate"), [(Fraction(25), 16000), (Fraction(30000, 1001), 44100), (Fraction(25, 2), 8000)]
)
def test_stream_and_plain_video_have_the_same_frames_and_samples(tmp_path, fps, rate):
    clip = counting_clip(fps=fps, rate=rate)
    playlist = save_stream(clip, tmp_path / "stream")
    plain = save_plain(tmp_path / "stream", tmp_path / "plain.mp4")
    direct = save_video(clip, tmp_path / "direct.mp4")
    pictures, sound, _ = decoded(playlist)
    again, heard, kept = decoded(plain)
    assert len(pictures) == clip.frame_count and np.array_equal(pictures, again)
    assert np.array_equal(sound, heard)  # no sample lost, doubled or changed at any edge
    ours, theirs = load_audio(plain).samples, load_audio(direct).samples
    length = min(ours.shape[1], theirs.shape[1])
    assert length >= clip.audio.samples.shape[1] - 1 and np.array_equal(ours[:, :length], theirs[:, :length])
    assert kept["AIGC"] == clip.metadata["AIGC"] and b"AIGC" in (tmp_path / "stream" / INIT).read_bytes()


def test_it_plays_while_it_grows(tmp_path):
    folder, seen = tmp_path / "stream", []

    def look(done: int, total: int) -> None:
        if done % 25 == 0 and (folder / PLAYLIST).exists():
            text = (folder / PLAYLIST).read_text()
            names = segments(text)
            joined = b"".join((folder / name).read_bytes() for name in [INIT, *names])
            (tmp_path / "part.mp4").write_bytes(joined)
            seen.append((done, len(names), len(decoded(tmp_path / "part.mp4")[0]), "#EXT-X-ENDLIST" in text))

    save_stream(counting_clip(130), folder, on_frame=look)
    assert seen, "no segment could be played before the end"
    for done, count, frames, ended in seen:
        assert frames == 25 * count <= done and not ended
    assert seen[0][0] <= 75  # the encoder and the muxer hold back little


def test_the_playlist_keeps_the_rules(tmp_path):
    """RFC 8216: a fixed target that no segment exceeds, an init segment, an end."""
    text = save_stream(counting_clip(88), tmp_path / "stream").read_text()
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U" and lines[-1] == "#EXT-X-ENDLIST"
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in lines and "#EXT-X-INDEPENDENT-SEGMENTS" in lines
    assert f'#EXT-X-MAP:URI="{INIT}"' in lines
    target = next(int(line.split(":")[1]) for line in lines if line.startswith("#EXT-X-TARGETDURATION"))
    durations = [float(line.split(":")[1].rstrip(",")) for line in lines if line.startswith("#EXTINF")]
    assert len(durations) == len(segments(text)) == 4
    assert all(round(duration) <= target for duration in durations) and sum(durations) == pytest.approx(88 / 25)


def test_a_validator_finds_nothing_while_it_grows_and_at_its_end(tmp_path):
    m3u8 = pytest.importorskip("m3u8")
    texts = {}

    def look(done: int, total: int) -> None:
        if (tmp_path / "stream" / PLAYLIST).exists():
            texts[(tmp_path / "stream" / PLAYLIST).read_text()] = done

    texts[save_stream(counting_clip(130), tmp_path / "stream", on_frame=look).read_text()] = 130
    assert len(texts) >= 3
    for text in texts:
        read = m3u8.parser.parse(text, strict=True)  # raises for a tag that is wrong or later than the version
        assert read["playlist_type"] == "event" and read["segments"] and read["version"] >= 7


def test_a_stream_that_fails_leaves_nothing(tmp_path):
    (tmp_path / "stream").mkdir()
    (tmp_path / "stream" / "mine.txt").write_text("kept")

    def stop(done: int, total: int) -> None:
        if done == 80:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_stream(counting_clip(), tmp_path / "stream", on_frame=stop)
    assert [path.name for path in (tmp_path / "stream").iterdir()] == ["mine.txt"]


def test_folders_that_cannot_be_used_are_named(tmp_path):
    save_stream(counting_clip(3), tmp_path / "stream")
    with pytest.raises(OutputError, match="holds a stream already"):
        save_stream(counting_clip(3), tmp_path / "stream")
    (tmp_path / "file").write_text("x")
    for folder, reason in ((tmp_path / "file", "is a file"), (tmp_path / "no" / "such", "does not exist"),
                           (tmp_path / "50%d", "holds a %")):  # fmt: skip
        with pytest.raises(OutputError, match=reason):
            save_stream(counting_clip(3), folder)
