"""Watches a video once: who is where in every frame.

Faces are detected at the start of every shot and now and then within it, tracked from frame to frame in between, and
recognised after a cut by their identity embedding. Landmarks go to files on disk, so an hour takes no more memory
than a minute. People
are numbered by when they first appear, then from left to right.
"""

from __future__ import annotations

import tempfile
from array import array
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sonic_core.clip import Clip
from sonic_core.dub.lip_edges import upper_lip_ends
from sonic_core.dub.shots import CutDetector
from sonic_core.dub.texture import sharpness
from sonic_core.face.covers import SMALLEST, covers_of, upright_crop
from sonic_core.face.detect import Face, FaceDetector
from sonic_core.face.encoder import FaceEncoder
from sonic_core.face.tracker import face_height, follow, lip_gap, rescaled, tracked_size
from sonic_core.media.prefetch import ahead
from sonic_core.progress import OnStep

SEARCH_EVERY = 25  # frames between searches for people who came in
SEARCH_LOST_EVERY = 4  # while somebody who was there is missing
ALIKE = 0.55  # dot product of identity embeddings from which two faces are one person's
SEEN_FOR = 0.4  # seconds; whoever is seen for less in all is a poster or a mistake
MOST_PEOPLE = 16
BETTER = 1.05  # times as much a view has to be worth to take the place of an earlier one
OPEN, OPEN_WORTH = 0.06, 0.5  # opening in face heights that shows a person's own teeth, and what it adds to a view
LOOK_EVERY = 3  # frames between looks at what hides the mouth, how sharp the face is and where a moustache begins
VIEWS = 8  # embeddings kept of a person, the latest
LANDMARKS = (478, 3)
NO_MOUSTACHE = np.zeros(11, np.float32)
JUMP = 0.15  # face heights; a face that moves farther within a frame was cut, though the picture hardly changed


@dataclass(frozen=True)
class HeadView:
    """A head cut out of a frame: uint8 (h, w, 3) and the landmarks (478, 3) in its pixels."""

    picture: np.ndarray
    landmarks: np.ndarray


class Person:
    """One person's track: the frames in which the face is seen, in order, and its landmarks there, on disk."""

    def __init__(self, path: Path):
        self.path = path
        self.frames = array("l")  # numbers of the frames, rising
        self.covered = array("b")  # 1 where something hides the mouth
        self.sharpness = array("f")  # see texture.sharpness
        self.lip_ends = array("f")  # 11 for each frame, see lip_edges.lip_ends
        self.jumps: set[int] = set()  # frames in which the face is suddenly elsewhere
        self.embeddings: list[np.ndarray] = []
        self.area = 0.0  # px, summed over the frames
        self.view: HeadView | None = None
        self._file = path.open("wb", buffering=1 << 16)
        self._place = np.zeros(2)

    def add(
        self,
        frame: int,
        landmarks: np.ndarray,
        is_covered: bool = False,
        sharpness: float = 1.0,
        lip_ends: np.ndarray = NO_MOUSTACHE,
    ) -> None:
        """Add a frame: landmarks float32 (478, 3) px, whether something hides the mouth, and what else was seen."""
        size = face_height(landmarks)
        self.area += size * size
        place = landmarks[:, :2].mean(0)
        if self.frames and frame == self.frames[-1] + 1 and np.linalg.norm(place - self._place) > JUMP * size:
            self.jumps.add(frame)
        self._place = place
        self.frames.append(frame)
        self.covered.append(is_covered)
        self.sharpness.append(sharpness)
        self.lip_ends.extend(lip_ends)
        self._file.write(np.ascontiguousarray(landmarks, np.float32).tobytes())

    def look(self, frame: np.ndarray, landmarks: np.ndarray) -> None:
        """Keep the head of this frame, uint8 (h, w, 3), if it shows the person better than the one kept so far."""
        if self.view is not None and _worth(landmarks) < BETTER * _worth(self.view.landmarks):
            return
        size = face_height(landmarks)
        low = np.maximum(np.floor(landmarks[:, :2].min(0) - size), 0).astype(int)
        high = np.ceil(landmarks[:, :2].max(0) + size).astype(int)
        picture = frame[low[1] : high[1], low[0] : high[0]].copy()
        moved = landmarks.copy()
        moved[:, :2] -= low
        self.view = HeadView(picture, moved)

    def close(self) -> None:
        """Finish writing, so that `read` sees everything."""
        self._file.close()

    def read(self, start: int, count: int) -> np.ndarray:
        """(count, 478, 3) landmarks of the entries `start`.. of `frames`."""
        size = LANDMARKS[0] * LANDMARKS[1]
        values = np.fromfile(self.path, np.float32, count * size, offset=4 * start * size)
        return values.reshape(-1, *LANDMARKS)

    def likeness(self, embedding: np.ndarray) -> float:
        """How alike an identity embedding (64,) is to what was seen of this person: 1 is the same."""
        return max(float(known @ embedding) for known in self.embeddings)


@dataclass
class Cast:
    """Everybody in a video and the frames its shots begin with. The tracks' folder lives as long as this object."""

    people: list[Person]
    shots: list[int]
    frame_count: int
    folder: tempfile.TemporaryDirectory[str]

    def main(self) -> int:
        """The number of the person who fills most of the video."""
        return max(range(len(self.people)), key=lambda number: self.people[number].area)


@dataclass
class _Followed:
    person: Person
    anchor: Face  # the crop the face is seen in
    face: Face  # as it is in the latest frame
    is_covered: bool = False
    sharpness: float = 0.0
    lip_ends: np.ndarray = field(default_factory=lambda: NO_MOUSTACHE)


class _Watcher:
    """Follows everybody through one video."""

    def __init__(self, folder: Path, detector: FaceDetector, encoder: FaceEncoder):
        self.folder, self.detector, self.encoder = folder, detector, encoder
        self.people: list[Person] = []
        self.followed: list[_Followed] = []
        self.missing = False  # somebody was followed in this shot and is not found any more

    def see(self, index: int, since_cut: int, frame: np.ndarray, picture: np.ndarray, scale: float) -> None:
        """Look at one frame; `picture` is its uint8 copy at `scale`, `since_cut` its number within the shot."""
        if since_cut == 0:
            self.followed, self.missing = [], False
        still_there = [one for one in self.followed if self._follow(one, picture)]
        self.missing |= len(still_there) < len(self.followed)
        self.followed = still_there
        if since_cut % (SEARCH_EVERY if self.followed and not self.missing else SEARCH_LOST_EVERY) == 0:
            self._search(picture)
        for one in self.followed:
            landmarks = rescaled(one.face.landmarks, 1 / scale)
            if since_cut % LOOK_EVERY == 0 or not one.sharpness:
                crop = upright_crop(picture, one.face.landmarks)
                one.is_covered = face_height(one.face.landmarks) >= SMALLEST and covers_of(crop).mouth
                one.sharpness = sharpness(crop)
                one.lip_ends = upper_lip_ends(picture, one.face.landmarks)
            one.person.add(index, landmarks, one.is_covered, one.sharpness, one.lip_ends)
            if not one.is_covered:
                one.person.look(frame, landmarks)

    def _follow(self, one: _Followed, picture: np.ndarray) -> bool:
        found = follow(self.detector, picture, one.anchor)
        if found is not None:
            one.face, one.anchor = found
        return found is not None

    def _search(self, picture: np.ndarray) -> None:
        faces = self.detector.detect(picture)
        self.missing = self.missing and len(faces) <= len(self.followed)
        new = [face for face in faces if not any(_same_place(face, one.face) for one in self.followed)]
        new.sort(key=lambda face: face.box[0])
        if not new:
            return
        for face, embedding in zip(new, self.encoder.encode_all([picture] * len(new), new), strict=True):
            person = self._known(embedding) or self._newcomer()
            if person is not None:
                person.embeddings = [*person.embeddings[1 - VIEWS :], embedding]
                self.followed.append(_Followed(person, face, face))

    def _known(self, embedding: np.ndarray) -> Person | None:
        free = [person for person in self.people if all(one.person is not person for one in self.followed)]
        best = max(free, key=lambda person: person.likeness(embedding), default=None)
        return best if best is not None and best.likeness(embedding) > ALIKE else None

    def _newcomer(self) -> Person | None:
        if len(self.people) >= MOST_PEOPLE:
            return None
        self.people.append(Person(self.folder / f"{len(self.people)}.f32"))
        return self.people[-1]


def watch(clip: Clip, detector: FaceDetector, encoder: FaceEncoder, on_frame: OnStep | None = None) -> Cast:
    """Find everybody in a video, in one pass. `on_frame(done, total)` is called after each frame; raising cancels."""
    folder = tempfile.TemporaryDirectory(prefix="sonic-dub-")
    watcher, cuts = _Watcher(Path(folder.name), detector, encoder), CutDetector()
    shots: list[int] = []
    with closing(ahead((frame, *tracked_size(frame)) for frame in clip.pictures())) as frames:
        for index, (frame, picture, scale) in enumerate(frames):
            if cuts(picture):
                shots.append(index)
            watcher.see(index, index - shots[-1], frame, picture, scale)
            if on_frame is not None:
                on_frame(index + 1, clip.frame_count)
    for person in watcher.people:
        person.close()
    people = [person for person in watcher.people if len(person.frames) >= SEEN_FOR * float(clip.fps)]
    return Cast(people, shots, clip.frame_count, folder)


def _worth(landmarks: np.ndarray) -> float:
    """How well a view shows a person: the larger the better, and best with an open mouth, which shows the teeth."""
    size = face_height(landmarks)
    return size * (1 + OPEN_WORTH * min(lip_gap(landmarks) / max(size * OPEN, 1.0), 1.0))


def _same_place(a: Face, b: Face) -> bool:
    width = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    height = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a.box, b.box))
    return max(width, 0.0) * max(height, 0.0) > 0.3 * smaller
