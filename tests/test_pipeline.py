"""The stages between the inputs and an engine, with an engine and a detector that only keep the protocol."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_core import pipeline
from sonic_core.clip import Audio, Clip, frame_count
from sonic_core.disclosure.label import RECORD_KEY
from sonic_core.engines.base import Latents, MemoryPlan
from sonic_core.errors import InputError
from sonic_core.face.detect import Face
from sonic_core.face.framing import View, frame_portrait
from sonic_core.media.audio import shifted
from sonic_core.pipeline import SonicPipeline
from sonic_core.progress import no_step
from sonic_core.settings import Settings

PHOTO = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
BOX = (150.0, 80.0, 250.0, 210.0)


def face_in(box) -> Face:
    """A flat face whose landmarks fill `box`."""
    x1, y1, x2, y2 = box
    grid = np.random.default_rng(1).random((478, 3)).astype(np.float32)
    landmarks = grid * [x2 - x1, y2 - y1, 10] + [x1, y1, 0]
    landmarks[10], landmarks[152] = [(x1 + x2) / 2, y1, 0], [(x1 + x2) / 2, y2, 0]
    return Face(box, landmarks.astype(np.float32), 1.0)


class OneFace:
    """A detector that always sees the same face."""

    def pick(self, photo, index=0):
        return face_in(BOX)

    def landmarks_in(self, photo, box):
        return face_in(box)


class LoudnessEngine:
    """Latents are the loudness of each frame; frames are the portrait, as bright as that."""

    name, size_multiple = "loudness", 2

    def condition(self, portrait, speech, settings, on_step=no_step):
        return portrait, speech

    def sample(self, conditions, settings, on_step=no_step):
        portrait, speech = conditions
        seconds = len(speech) / 16000
        count = frame_count(seconds, 25)
        loudness = [float(np.abs(part).max(initial=0)) for part in np.array_split(speech, count)]
        for step in range(settings.inference_steps):
            on_step(step + 1, settings.inference_steps, None)
        return Latents(self.name, torch.tensor(loudness)[:, None], portrait, seconds)

    def decode(self, latents, settings):
        image = latents.portrait.image.astype(np.float32) / 255
        count = frame_count(latents.seconds, settings.fps)

        def make():
            for value in latents.values[:count, 0]:
                yield (image * float(value))[None].astype(np.float32)

        return Clip(image.shape[1], image.shape[0], count, Fraction(settings.fps), make)

    def plan_memory(self, settings, size, seconds, free_bytes):
        return MemoryPlan(0, 1, 1)


@pytest.fixture
def pipe() -> SonicPipeline:
    return SonicPipeline(LoudnessEngine(), OneFace())


def test_a_clip_is_as_long_as_its_audio_and_carries_it(pipe, tone, tmp_path):
    clip = pipe(PHOTO, tone, min_resolution=64)
    assert clip.frame_count == 25 and np.array_equal(clip.audio.samples, tone.samples)
    pipe.save_video(clip, tmp_path / "v.mp4")
    assert (tmp_path / "v.mp4").stat().st_size > 1000
    assert set(pipe.seconds) == {"prepare", "condition", "sample", "render"}


def test_steps_are_reported_and_raising_cancels(pipe, tone):
    seen = []
    pipe(PHOTO, tone, "fast", min_resolution=64, on_step=lambda done, total, preview=None: seen.append((done, total)))
    assert seen[-1] == (10, 10)

    def cancel(done, total, preview=None):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        pipe(PHOTO, tone, min_resolution=64, on_step=cancel)


@given(st.floats(-1, 1))
@settings(max_examples=30)
def test_a_positive_offset_moves_the_lips_later(seconds):
    speech = np.zeros(48000, np.float32)
    speech[24000] = 1
    moved = shifted(speech, seconds, 16000)
    assert len(moved) == len(speech) and moved.argmax() == 24000 + round(seconds * 16000)


def test_framing_keeps_the_landmarks_on_the_face():
    for framing, expected in (("whole", (256, 192)), ("face", (192, 192))):
        chosen = Settings(framing=framing, min_resolution=192)
        crop, portrait = frame_portrait(PHOTO, OneFace(), chosen, 2)
        assert portrait.image.shape[1::-1] == expected
        left, top, right, _ = crop or (0, 0, 400, 300)
        scale = portrait.image.shape[1] / (right - left)
        wanted = (face_in(BOX).landmarks[:, :2] - [left, top]) * scale
        assert np.abs(portrait.face.landmarks[:, :2] - wanted).max() < 1.5
        assert portrait.face.box[0] == pytest.approx((BOX[0] - left) * scale, abs=1.5)


def test_a_box_by_hand_is_used_and_must_lie_in_the_photo():
    box = (10.0, 20.0, 110.0, 140.0)
    _, portrait = frame_portrait(PHOTO, OneFace(), Settings(face_box=box, min_resolution=300), 2)
    assert portrait.face.box == pytest.approx(box, abs=1)
    assert portrait.view == View((400, 300), (10, 20, 110, 140))
    with pytest.raises(InputError, match="400 x 300"):
        frame_portrait(PHOTO, OneFace(), Settings(face_box=(10, 20, 500, 140)), 2)


def test_a_box_by_hand_stays_as_given_whatever_the_landmarks_say():
    class Elsewhere(OneFace):
        def landmarks_in(self, image, box):
            return face_in(BOX)

    box = (11.9, 20.0, 250.0, 280.0)
    _, whole = frame_portrait(PHOTO, Elsewhere(), Settings(face_box=box, min_resolution=192), 64)
    assert whole.view == View((400, 300), (11, 20, 250, 280))
    crop, framed = frame_portrait(PHOTO, Elsewhere(), Settings(face_box=box, framing="face", min_resolution=192), 64)
    left, top, right, bottom = crop
    assert framed.view.size == (right - left, bottom - top)
    assert framed.view.face_box == (int(11.9 - left), 20 - top, 250 - left, 280 - top)
    _, found = frame_portrait(PHOTO, OneFace(), Settings(min_resolution=192), 64)
    assert found.view.face_box == tuple(int(value) for value in face_in(BOX).box)


def test_unusable_audio_is_refused_before_the_photo_is_read(pipe):
    with pytest.raises(InputError, match="no samples"):
        pipe("no-such-photo.jpg", Audio(np.zeros((1, 0), np.float32), 16000))


def click(at: float) -> Audio:
    """A second of silence with a click."""
    samples = np.zeros((1, 16000), np.float32)
    samples[0, round(at * 16000)] = 1
    return Audio(samples, 16000)


@pytest.mark.parametrize("offset", [0.2, -0.2])
def test_lips_come_later_for_a_positive_offset_and_the_sound_stays(offset):
    audio = click(0.5)
    clip = SonicPipeline(LoudnessEngine(), OneFace())(PHOTO, audio, min_resolution=64, lip_sync_offset=offset)
    brightness = [float(frame.mean()) for frame in clip.frames()]
    assert abs(np.argmax(brightness) / 25 - (0.5 + offset)) < 0.05
    assert np.array_equal(clip.audio.samples, audio.samples) and clip.frame_count == 25


def test_other_people_are_handed_to_paste_back(monkeypatch, tone):
    other = face_in((10.0, 80.0, 90.0, 180.0))

    class TwoFaces(OneFace):
        def detect(self, photo):
            return [face_in(BOX), other]

    given = []
    monkeypatch.setattr(pipeline, "paste_back", lambda clip, *args: given.append(args) or clip)
    SonicPipeline(LoudnessEngine(), TwoFaces())(PHOTO, tone, min_resolution=64, framing="photo")
    ((*_, others),) = given
    assert len(others) == 1 and np.array_equal(others[0], other.landmarks)


def test_the_record_is_there_unless_it_is_left_out(tone):
    pipe = SonicPipeline(LoudnessEngine(), OneFace())
    assert '"ProduceID":"job-7"' in pipe(PHOTO, tone, min_resolution=64, job_id="job-7").metadata[RECORD_KEY]
    assert RECORD_KEY not in pipe(PHOTO, tone, min_resolution=64, record=False).metadata
