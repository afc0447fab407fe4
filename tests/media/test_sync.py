"""Flashes and clicks that belong together stay together, whatever the file and whatever is done with it."""

import sys
import tempfile
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from making import clicks_heard, flashes_seen, flashing_video, sync_error

from sonic_core.cli.main import main
from sonic_core.media.audio import load_audio
from sonic_core.media.probe import probe
from sonic_core.media.remux import remux
from sonic_core.media.sound import placed
from sonic_core.media.video import open_video, save_video
from sonic_core.quality import lip_sync

LIMIT = 0.005  # seconds
FLASHES = (0.62, 1.3, 2.1)

CONTAINERS = {
    "mp4": ("a.mp4", "aac", {}),
    "mp4 with mp3": ("a.mp4", "mp3", {}),
    "mp4 without edit list": ("a.mp4", "aac", {"use_editlist": "0"}),
    "fragmented": ("a.mp4", "aac", {"movflags": "frag_keyframe+empty_moov+delay_moov"}),
    "fragmented without edit list": ("a.mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    "mov": ("a.mov", "pcm_s16le", {}),
    "mkv": ("a.mkv", "pcm_s16le", {}),
    "mkv with opus": ("a.mkv", "libopus", {}),
    "mpegts": ("a.ts", "aac", {}),
    "flv": ("a.flv", "aac", {}),
}


@settings(max_examples=12)
@given(
    container=st.sampled_from(sorted(CONTAINERS)),
    fps=st.sampled_from(["24", "25", "30000/1001", "30", "50", "60"]),
    picture_start=st.sampled_from([0.0, 0.0, 0.11, 0.4]),
    sound_start=st.sampled_from([0.0, 0.0, 0.17, 0.5]),
    gap=st.sampled_from([None, (0.8, 1.1), (1.5, 2.0)]),
    rate=st.sampled_from([44_100, 48_000]),
)
def test_clicks_stay_on_their_flashes(container, fps, picture_start, sound_start, gap, rate):
    name, codec, options = CONTAINERS[container]
    if container == "mov":
        gap = None  # PCM in MOV knows no gaps
    with tempfile.TemporaryDirectory() as folder:
        path, rate = Path(folder) / name, 48_000 if codec == "libopus" else rate
        flashing_video(
            path, FLASHES, fps=Fraction(fps), picture_start=picture_start, sound_start=sound_start, missing=gap,
            sound_codec=codec, rate=rate, options=options,
        )  # fmt: skip
        clip = open_video(path)
        assert clip.fps == Fraction(fps) and len(flashes_seen(clip)) == len(FLASHES)
        assert sync_error(clip) < LIMIT
        finished, copied, moved = (Path(folder) / f"{name}.mp4" for name in ("finished", "copied", "moved"))
        assert main(["finish", str(path), "--output", str(finished), "--no-record"]) == 0
        assert sync_error(open_video(finished)) < LIMIT
        assert sync_error(open_video(remux(path, copied))) < LIMIT
        assert sync_error(open_video(remux(path, moved, clip.audio))) < LIMIT


@settings(max_examples=5)
@given(seed=st.integers(0, 1000), container=st.sampled_from(["a.mp4", "a.mkv"]))
def test_frames_of_varying_rate_are_shown_at_their_own_times(seed, container):
    rng = np.random.default_rng(seed)
    times = np.cumsum(np.r_[0, rng.uniform(0.015, 0.07, 70)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / container
        begun = flashing_video(path, FLASHES, times=list(times))
        clip = open_video(path)
        assert np.allclose(flashes_seen(clip), begun, atol=LIMIT)
        assert sync_error(clip) < LIMIT
        assert sync_error(open_video(save_video(clip, Path(folder) / "b.mp4"))) < LIMIT


def test_a_phone_that_drops_frames_keeps_its_rate(tmp_path):
    kept = [k / 30 for k in range(90) if k % 7 != 3]
    flashing_video(tmp_path / "a.mp4", FLASHES, times=kept, fps=Fraction(30))
    clip = open_video(tmp_path / "a.mp4")
    assert clip.fps == 30 and clip.frame_count == 90 and sync_error(clip) < LIMIT


def test_sound_may_end_early_or_late(tmp_path):
    for end in (1.6, 4.0):
        path = tmp_path / f"{end}.mp4"
        flashing_video(path, (0.5, 1.2), sound_end=end)
        clip = open_video(path)
        assert clip.frame_count == 75 and clip.audio.seconds == pytest.approx(end, abs=0.03)
        again = open_video(save_video(clip, tmp_path / "again.mp4"))
        assert sync_error(again) < LIMIT and again.audio.seconds == pytest.approx(end, abs=0.05)


def test_a_gap_is_silence_and_the_sound_of_a_video_is_on_its_clock(tmp_path):
    path = tmp_path / "a.mp4"
    flashing_video(path, (0.5, 2.0), sound_start=0.3, missing=(1.0, 1.5))
    sound = load_audio(path)
    assert clicks_heard(sound) == pytest.approx([0.52, 2.0], abs=0.002)
    assert sound.seconds == pytest.approx(3.0, abs=0.03)
    assert not sound.samples[:, round(1.1 * sound.rate) : round(1.4 * sound.rate)].any()


def test_reading_and_writing_again_and_again_moves_nothing(tmp_path):
    path = tmp_path / "0.mp4"
    flashing_video(path, FLASHES, sound_start=0.2)
    for generation in range(1, 5):
        path = save_video(open_video(path), tmp_path / f"{generation}.mp4")
    clip = open_video(path)
    assert clip.frame_count == 75 and sync_error(clip) < LIMIT


def test_length_is_found_where_the_header_says_none_or_a_wrong_one(tmp_path):
    path = tmp_path / "a.webm"
    with open(path, "wb") as file:  # a stream that cannot be gone back in, as a browser records
        flashing_stream(file)
    info = probe(path)
    assert info.seconds == pytest.approx(3.0, abs=0.03)
    assert open_video(path).audio.seconds == pytest.approx(3.0, abs=0.03)
    wav = tmp_path / "a.wav"
    import soundfile

    soundfile.write(wav, np.full(32_000, 0.1), 16_000, subtype="PCM_16")
    whole = wav.read_bytes()
    for length in (0, 0xFFFFFFFF, 0x7FFFFFFF):  # none, unknown, far too much
        wav.write_bytes(whole[:40] + length.to_bytes(4, "little") + whole[44:])
        assert load_audio(wav).seconds == pytest.approx(2.0, abs=0.01)


def flashing_stream(file) -> None:
    class Pipe:
        """What a recorder writes to: no seeking, so that no length comes into the header."""

        def write(self, data: bytes) -> int:
            return file.write(data)

    source = Path(file.name).with_suffix(".mkv")
    flashing_video(source, FLASHES, video_codec="libvpx", sound_codec="libopus")
    import av

    with av.open(str(source)) as old, av.open(Pipe(), "w", format="webm") as new:
        copies = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                new.mux(packet)


@pytest.mark.parametrize("move", ["sound", "frames"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.webm"])
def test_align_moves_what_it_measured_and_nothing_else(tmp_path, monkeypatch, name, move):
    """A video in sync whose lips are said to be 0.12 s late: the sound comes 0.12 s later, the pictures earlier."""
    codecs = {"a.webm": ("libvpx", "libopus")}.get(name, ("libx264", "aac"))
    path = tmp_path / name
    start = 0.0 if name == "a.webm" else 0.3  # FFmpeg's own WebM moves Opus by its 6.5 ms of priming
    flashing_video(path, FLASHES, sound_start=start, video_codec=codecs[0], sound_codec=codecs[1])
    found = lip_sync.Alignment(0.12, 0.999, 0.9, 1.0)
    monkeypatch.setattr(lip_sync, "measure", lambda clip: found)
    assert main(["align", str(path), "--output", str(tmp_path / "out.mp4"), "--move", move]) == 0
    clip = open_video(tmp_path / "out.mp4")
    late = np.array(clicks_heard(clip.audio)) - flashes_seen(clip)
    assert late == pytest.approx(0.12, abs=2 * LIMIT)
    if move == "sound":
        assert flashes_seen(clip) == flashes_seen(open_video(path))


def test_overlapping_and_drifting_blocks_are_placed_by_their_time_stamps():
    rate, block = 1000, np.ones((1, 20), np.float32)
    jittered = [(0.02 * k + (0.001 if k % 3 else -0.001), k * block) for k in range(100)]
    assert [at for at, _ in placed(jittered, rate)] == [20 * k for k in range(100)], "jitter moves nothing"
    overlapping = [(0.02 * k - (0.1 if k >= 50 else 0), block) for k in range(100)]
    assert [at for at, _ in placed(overlapping, rate)][49:52] == [980, 900, 920]
    drifting = list(placed(((0.0202 * k, block) for k in range(500)), rate))
    off = [at - 20.2 * k for k, (at, _) in enumerate(drifting)]
    assert np.abs(off).max() <= 3 and all(b[0] >= a[0] + a[1].shape[1] - 1 for a, b in pairwise(drifting))


def test_recordings_joined_in_one_file_follow_one_another(tmp_path):
    parts = []
    for number, (seconds, flash) in enumerate([(1.6, 0.5), (1.2, 0.7), (2.0, 1.0)]):
        flashing_video(tmp_path / f"{number}.ts", [flash], seconds=seconds, sound_end=seconds)
        parts.append((tmp_path / f"{number}.ts").read_bytes())
    (tmp_path / "a.ts").write_bytes(b"".join(parts))
    clip = open_video(tmp_path / "a.ts")
    assert clip.seconds == pytest.approx(4.8, abs=0.15) and len(flashes_seen(clip)) == 3
    # Each recording's sound is a little longer than its pictures; both are moved alike.
    assert sync_error(clip) < 0.021, "to the nearest frame"
    assert sync_error(open_video(remux(tmp_path / "a.ts", tmp_path / "b.mp4"))) < 0.021
