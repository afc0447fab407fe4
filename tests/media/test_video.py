from fractions import Fraction

import av
import numpy as np
import pytest

from sonic_core.clip import Audio, Clip
from sonic_core.errors import InputError, OutputError
from sonic_core.media.video import open_video, save_video


def moving_clip(frames=10, fps=Fraction(25), width=64, height=48, audio=None) -> Clip:
    """A bright bar that moves by two pixels a frame."""
    pictures = np.full((frames, height, width, 3), 0.2, np.float32)
    for i in range(frames):
        pictures[i, :, 2 * i : 2 * i + 8] = [0.9, 0.3, 0.1]
    return Clip(
        width, height, frames, fps, lambda: iter([pictures[:3], pictures[3:]]), audio, {"AIGC": '{"Label":"1"}'}
    )


def test_the_file_plays_everywhere_and_holds_what_went_in(tmp_path, tone):
    clip = moving_clip(25, audio=tone)
    path = save_video(clip, tmp_path / "v.mp4")
    with av.open(str(path)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.pix_fmt, sound.codec_context.name) == ("h264", "yuv420p", "aac")
        assert video.average_rate == 25 and video.frames == 25
        assert container.metadata["AIGC"] == '{"Label":"1"}'
        assert float(sound.duration * sound.time_base) == pytest.approx(1.0, abs=0.05)
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # faststart
    assert [file.name for file in tmp_path.iterdir()] == ["v.mp4"]


def test_colours_and_timing_survive_writing_and_reading(tmp_path):
    clip = moving_clip()
    back = open_video(save_video(clip, tmp_path / "v.mp4", crf=5))
    assert (back.width, back.height, back.frame_count, back.fps) == (64, 48, 10, 25)
    before, after = np.stack(list(clip.frames())), np.stack(list(back.frames()))
    assert np.abs(before.mean((1, 2)) - after.mean((1, 2))).max() < 0.012  # the same colours, in the same order
    assert np.abs(before - after).mean() < 0.02


# Fully saturated colours as BT.709 writes them with limited range (Y, Cb, Cr), ITU-R BT.709-6 item 3; BT.601 would
# write red as (81, 90, 240).
SATURATED = {(1, 0, 0): (63, 102, 240), (0, 1, 0): (173, 42, 26), (0, 0, 1): (32, 240, 118), (1, 1, 1): (235, 128, 128)}


@pytest.mark.parametrize("format", ["mp4", "mov", "webm"])
@pytest.mark.parametrize("colour", SATURATED)
def test_colours_are_written_with_the_matrix_that_the_tags_name(tmp_path, format, colour):
    clip = Clip.of_frames(np.broadcast_to(np.float32(colour), (3, 48, 64, 3)).copy(), Fraction(25))
    with av.open(str(save_video(clip, tmp_path / f"v.{format}", crf=5))) as container:
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        assert tags == (1, 1, 1, 1)  # BT.709 three times, limited range: numbers of ITU-T H.273 and of FFmpeg
        written = next(container.decode(video=0))
    planes = np.split(written.to_ndarray(format="yuv420p").ravel(), [64 * 48, 64 * 48 * 5 // 4])
    assert [plane.mean() for plane in planes] == pytest.approx(SATURATED[colour], abs=2)


@pytest.mark.parametrize("fps", [Fraction(30000, 1001), Fraction(25, 2), Fraction(60)])
def test_other_frame_rates_keep_their_duration(tmp_path, fps):
    back = open_video(save_video(moving_clip(24, fps), tmp_path / "v.mp4"))
    assert back.frame_count == 24 and back.seconds == pytest.approx(24 / float(fps), abs=0.002)


def test_odd_sides_gain_a_row_and_sound_keeps_its_place(tmp_path):
    click = np.zeros((1, 24000), np.float32)
    click[0, 12000:12100] = 0.9
    clip = Clip.of_frames(np.zeros((25, 33, 35, 3), np.float32), Fraction(25), Audio(click, 24000))
    back = open_video(save_video(clip, tmp_path / "v.mp4"))
    assert (back.width, back.height) == (36, 34)
    heard = np.abs(back.audio.mono()).argmax() / back.audio.rate
    assert heard == pytest.approx(0.502, abs=0.03)


def test_nothing_is_left_when_writing_is_cancelled_or_fails(tmp_path):
    def cancel(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_video(moving_clip(), tmp_path / "v.mp4", on_frame=cancel)
    broken = Clip(64, 48, 10, Fraction(25), lambda: iter([np.zeros((3, 48, 64, 3), np.float32)]))
    with pytest.raises(ValueError, match="gave 3"):
        save_video(broken, tmp_path / "v.mp4")
    with pytest.raises(OutputError, match=r"\.mp4"):
        save_video(moving_clip(), tmp_path / "v.avi")
    with pytest.raises(OutputError, match="does not exist"):
        save_video(moving_clip(), tmp_path / "no" / "v.mp4")
    assert list(tmp_path.iterdir()) == []


def test_bad_videos_get_one_sentence(tmp_path, speech_path):
    with pytest.raises(InputError, match="does not exist"):
        open_video(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_bytes(b"not a video" * 30)
    with pytest.raises(InputError, match="cannot be read"):
        open_video(tmp_path / "text.mp4")
    with pytest.raises(InputError, match="holds no video"):
        open_video(speech_path)
