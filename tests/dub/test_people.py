"""Faces are followed, known again after a cut, and told apart from their absence."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from sonic_core.clip import Clip
from sonic_core.dub.dub import look_at
from sonic_core.dub.faces import BLURRED
from sonic_core.errors import NoFaceError
from sonic_core.face.tracker import face_height

from .conftest import drifting


def test_a_face_is_followed_through_the_video(cast, video):
    assert len(cast.people) == 1 and cast.shots == [0]
    person = cast.people[0]
    assert list(person.frames) == list(range(video.frame_count))
    nose = person.read(0, video.frame_count)[:, 4, 0]
    assert np.abs(np.diff(nose) - 0.7).max() < 0.5  # it drifts 0.7 px a frame


def test_the_same_person_after_a_cut_has_the_same_number(portrait, detector):
    frames = drifting(portrait, 12)
    empty = np.full_like(frames[:4], 0.3)
    closer = np.ascontiguousarray(drifting(portrait[:, 20:], 12)[:, :, : portrait.shape[1] - 20])
    closer = np.pad(closer, ((0, 0), (0, 0), (0, 20), (0, 0)), mode="edge")
    seen = look_at(Clip.of_frames(np.concatenate([frames, empty, closer]), Fraction(25)), detector)
    assert len(seen.people) == 1 and seen.shots == [0, 12, 16]
    assert not set(seen.people[0].frames) & {12, 13, 14, 15} and seen.people[0].frames[-1] == 27


def test_two_people_are_numbered_from_left_to_right(portrait, detector):
    frames = drifting(portrait, 12, step=0.3)
    other = np.ascontiguousarray(frames[:, :, ::-1]) * [0.6, 0.8, 1.0]
    seen = look_at(Clip.of_frames(np.concatenate([frames, other.astype(np.float32)], 2), Fraction(25)), detector)
    assert len(seen.people) == 2
    left, right = (person.read(0, 1)[0, :, 0].mean() for person in seen.people)
    assert left < portrait.shape[1] < right


def test_a_video_without_a_face_is_refused(detector):
    empty = Clip.of_frames(np.full((12, 96, 128, 3), 0.5, np.float32), Fraction(25))
    with pytest.raises(NoFaceError, match=r"no face was found in the video of 128 x 96 pixels"):
        look_at(empty, detector)


def test_a_hand_before_the_mouth_is_noticed(portrait, detector):
    frames = drifting(portrait, 18, step=0.0)
    face = detector.pick(portrait)
    x, y = face.landmarks[13, :2].astype(int)
    size = int(0.2 * np.linalg.norm(face.landmarks[10, :2] - face.landmarks[152, :2]))
    frames[6:12, y - size : y + size, x - size : x + size] = (0.28, 0.43, 0.24)
    person = look_at(Clip.of_frames(frames, Fraction(25)), detector).people[0]
    covered = [frame for frame, hidden in zip(person.frames, person.covered, strict=True) if hidden]
    assert covered and set(covered) <= set(range(6, 14))


def test_a_blurred_face_is_less_sharp_than_it_usually_is(portrait, detector):
    frames = drifting(portrait, 18, step=0.0)
    height = face_height(detector.pick(portrait).landmarks)
    for frame in frames[6:12]:
        frame[:] = cv2.GaussianBlur(frame, (0, 0), 0.02 * height)
    person = look_at(Clip.of_frames(frames, Fraction(25)), detector).people[0]
    sharp = np.asarray(person.sharpness) / np.median(person.sharpness)
    assert sharp[6:12].max() < BLURRED < 0.9 < sharp[:6].min()


def test_cancelling_stops_the_watching_at_once(video, detector):
    made = []

    def frames():
        for chunk in video.make():
            for frame in chunk:
                made.append(frame)
                yield frame[None]

    def cancel(done, total, preview=None):
        raise InterruptedError("cancelled")

    with pytest.raises(InterruptedError, match="cancelled"):
        look_at(video.replaced(make=frames), detector, cancel)
    assert len(made) <= 2  # the first frame, and the one read ahead
