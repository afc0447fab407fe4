"""The bundled engine from end to end, with the weights that ship."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core import Settings, SonicPipeline
from sonic_core.engines.lite.engine import at_rate
from sonic_core.errors import InputError, NotEnoughMemoryError
from sonic_core.face.crop import head_box
from sonic_core.media.audio import cut, load_audio
from sonic_core.media.image import load_image

SIZE = 192


@pytest.fixture(scope="module")
def pipe():
    return SonicPipeline.from_pretrained("lite", device="cpu")


@pytest.fixture(scope="module")
def speech(speech_path):
    return cut(load_audio(speech_path), 0.5, 1.5)


@pytest.fixture(scope="module")
def photo(portrait_path):
    return load_image(portrait_path)


def test_a_second_of_speech_is_a_second_of_moving_lips(pipe, photo, speech):
    clip = pipe(photo, speech, "fast", min_resolution=SIZE)
    frames = np.stack(list(clip.frames()))
    assert frames.shape == (25, SIZE, SIZE, 3) and clip.fps == 25
    face = pipe.prepare(photo, speech, Settings(min_resolution=SIZE)).portrait.face
    x1, y1, x2, y2 = (round(v) for v in face.box)
    mouth = frames[:, (y1 + 2 * y2) // 3 : y2, x1:x2]
    assert np.abs(np.diff(mouth, axis=0)).mean() > 0.002


def test_listening_tells_how_far_it_is_block_by_block(pipe, photo, speech):
    prepared = pipe.prepare(photo, (np.tile(speech.mono(), 18), speech.rate), Settings(min_resolution=SIZE))
    heard = []
    conditions = pipe.engine.condition(
        prepared.portrait, prepared.speech, prepared.settings, lambda done, total, preview=None: heard.append(done)
    )
    assert heard == [200, 400, 450]
    assert len(conditions.heard.mouth) == len(conditions.heard.life) == 450


@pytest.fixture(scope="module")
def masked(photo):
    """The photo with a mask over mouth and chin."""
    jaw = (117, 50, 195, 280, 346, 323, 361, 397, 379, 400, 152, 176, 150, 172, 132, 93)
    landmarks = np.load(Path(__file__).parents[2] / "fixtures" / "portrait_landmarks.npy")
    outline = landmarks[list(jaw), :2].astype(np.int32)
    return cv2.fillPoly(photo.copy(), [outline], (165, 195, 215))


def test_a_mouth_behind_a_mask_is_refused_on_every_road(pipe, masked, speech):
    for road in (lambda: pipe(masked, speech), lambda: pipe.stream(masked, speech), lambda: pipe.talk(masked)):
        with pytest.raises(InputError, match="mouth of this face is hidden"):
            road()


def test_a_mask_that_was_kept_is_refused_when_it_is_not(pipe, masked, speech):
    """The engine keeps the last portrait's renderer, which must not answer for other settings."""
    prepared = pipe.prepare(masked, speech, Settings(covered_mouth="keep"))
    pipe.engine.condition(prepared.portrait, prepared.speech, prepared.settings)
    with pytest.raises(InputError, match="mouth of this face is hidden"):
        pipe.engine.condition(prepared.portrait, prepared.speech, Settings())


def test_a_mask_that_is_kept_goes_with_the_head_and_no_lips_are_drawn_on_it(pipe, masked, speech):
    still, turned = (
        next(pipe(masked, speech, "fast", covered_mouth="keep", motion_scale=0, head_yaw=yaw).frames())
        for yaw in (0.0, 8.0)
    )
    landmarks = np.load(Path(__file__).parents[2] / "fixtures" / "portrait_landmarks.npy")[:, :2]
    x, y = (landmarks[[13, 14]].mean(0) * still.shape[0] / masked.shape[0]).astype(int)
    for frame in (still, turned):
        mouth = frame[y - 12 : y + 12, x - 16 : x + 16]
        assert np.abs(mouth - np.float32([165, 195, 215]) / 255).max() < 0.02
    assert np.abs(turned - still).max() > 0.2


def test_the_background_does_not_move(pipe, photo, speech):
    chosen = Settings(min_resolution=SIZE)
    portrait = pipe.prepare(photo, speech, chosen).portrait
    x1, y1, x2, y2 = head_box(portrait.face, (SIZE, SIZE))
    away = np.ones((SIZE, SIZE), bool)
    away[max(0, y1 - (y2 - y1) // 4) : y2 + (y2 - y1) // 4, max(0, x1 - (x2 - x1) // 4) : x2 + (x2 - x1) // 4] = False
    still = portrait.image.astype(np.float32) / 255
    for frame in pipe(photo, speech, chosen).frames():
        assert ((frame - still)[away] ** 2).mean() < 10**-4.5  # 45 dB


def test_the_same_seed_gives_the_same_clip_and_another_one_another(pipe, photo, speech):
    def middle(seed):
        frames = pipe(photo, speech, "fast", min_resolution=SIZE, seed=seed).frames()
        return next(frame for index, frame in enumerate(frames) if index == 12)

    assert np.array_equal(middle(0), middle(0)) and not np.array_equal(middle(0), middle(1))


def test_other_frame_rates_and_offsets_keep_the_length(pipe, photo, speech):
    for fps, count in ((30, 30), (12.5, 13)):
        clip = pipe(photo, speech, "fast", min_resolution=SIZE, fps=fps, lip_sync_offset=0.1)
        assert clip.frame_count == count == sum(len(chunk) for chunk in clip.chunks())


@given(
    st.sampled_from([Fraction(12), Fraction(24), Fraction(30), Fraction(60), Fraction(30000, 1001)]), st.integers(2, 40)
)
def test_motion_read_at_another_rate_keeps_its_times(fps, rows):
    ramp = np.arange(rows, dtype=np.float32)[:, None]  # the row number is the time in 1/25 s
    count = int((rows - 1) * fps / 25) + 1
    assert np.allclose(at_rate(ramp, count, fps)[:, 0], np.arange(count) * float(25 / fps), atol=1e-4)


def test_memory_is_refused_early_and_hardly_grows_with_length(pipe):
    short = pipe.engine.plan_memory(Settings(), (512, 512), 10, 2**34).peak_bytes
    long = pipe.engine.plan_memory(Settings(), (512, 512), 300, 2**34).peak_bytes
    assert long - short < 200e6
    with pytest.raises(NotEnoughMemoryError, match="min_resolution"):
        pipe.engine.plan_memory(Settings(), (4096, 4096), 10, 2**30)
