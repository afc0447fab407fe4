"""Dubs a video: everybody with a voice speaks it, and all other pixels stay as they are.

The engine makes the mouth's motion from the speech as it does for a photo; head, eyes, hands and light are the
video's. Frames are made as the clip is read, so an hour takes no more memory than a minute.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np

from sonic_core.clip import Audio, Clip, frame_count
from sonic_core.dub.faces import FaceState, rest_face, states
from sonic_core.dub.length import BACK_AND_FORTH, lengthened
from sonic_core.dub.mouth import MouthPainter
from sonic_core.dub.people import Cast, Person, watch
from sonic_core.dub.who import who_speaks
from sonic_core.dubbing import WHOEVER, DubOptions
from sonic_core.engines.base import SPEECH_RATE, Engine, LipEngine
from sonic_core.engines.lite.engine import at_rate
from sonic_core.engines.lite.layout import MouthBasis
from sonic_core.errors import InputError, NoFaceError
from sonic_core.face.detect import FaceDetector
from sonic_core.face.encoder import FaceEncoder
from sonic_core.media.audio import shifted, speech_waveform
from sonic_core.media.prefetch import computed
from sonic_core.media.voices import gated, mixed
from sonic_core.progress import OnStep, no_step
from sonic_core.settings import Settings

SHORTEST_PASS = 0.2  # seconds of untouched frames that a report mentions


@dataclass(frozen=True)
class PassedThrough:
    """A stretch of a video in which somebody was left as they are, in seconds, and why."""

    person: int
    start: float
    end: float
    reason: str


@dataclass(frozen=True)
class Dub:
    """The dubbed clip, who was seen in the video, the persons' numbers that got a voice, and the stretches of speech,
    start and end in seconds, that were given to nobody because it cannot be told who speaks."""

    clip: Clip
    cast: Cast
    voiced: tuple[int, ...]
    unsure: tuple[tuple[float, float], ...] = ()

    def passed_through(self) -> list[PassedThrough]:
        """Where the persons with a voice were left untouched, and why."""
        fps = float(self.clip.fps)
        return [part for number in self.voiced for part in _passed_through(self.cast, number, fps)]


def look_at(clip: Clip, detector: FaceDetector, on_step: OnStep = no_step) -> Cast:
    """Find everybody in a video and track them through it. Raises NoFaceError when there is no face."""
    cast = watch(clip, detector, FaceEncoder(), on_step)
    if not cast.people:
        raise NoFaceError(
            f"no face was found in the video of {clip.width} x {clip.height} pixels and {clip.frame_count} frames; "
            "use one that shows a face clearly, at least 24 pixels high"
        )
    return cast


def dub(
    clip: Clip,
    voices: Audio | Mapping[int, Audio],
    engine: Engine,
    cast: Cast,
    settings: Settings,
    options: DubOptions | None = None,
    on_step: OnStep = no_step,
) -> Dub:
    """Give a video new voices: one sound for `options.person`, or one for each of several persons by number.

    `cast` is what `look_at(clip)` saw. Raises InputError for an engine that animates photos only, or a person who is
    not there.
    """
    options = options or DubOptions()
    lips = lip_engine(engine)
    spoken = voices if isinstance(voices, Audio) else mixed(list(voices.values()))
    unsure: list[tuple[float, float]] = []
    if isinstance(voices, Audio) and options.who == "auto":
        voices, unsure = _given_to_speakers(voices, clip, cast, lips)
    elif isinstance(voices, Audio):
        voices = {cast.main() if options.person == WHOEVER else options.person: voices}
    _check_people(voices, len(cast.people))
    rows = {}
    for done, (number, voice) in enumerate(voices.items()):
        rows[number] = mouth_motion(voice, lips, settings, clip.fps)
        on_step(done + 1, len(voices), None)
    wanted = frame_count(spoken.seconds, clip.fps)
    count = wanted if wanted > clip.frame_count or options.shorter == "cut" else clip.frame_count
    audio = spoken
    if options.own_sound > 0 and clip.audio is not None:
        bed = clip.audio.cut(0, round(count / clip.fps * clip.audio.rate))
        audio = mixed([spoken, bed], [1.0, options.own_sound])
    painters = {number: _painter(cast.people[number]) for number in voices}
    stretch = min(clip.frame_count - cast.shots[-1], max(2, round(BACK_AND_FORTH * float(clip.fps))))

    def drawn(index: int, frame: np.ndarray, faces: dict[int, FaceState]) -> np.ndarray:
        for number, face in faces.items():
            motion = rows[number]
            row = motion[index] if index < len(motion) else np.zeros_like(motion[0])
            frame = painters[number].paint(frame, face, row)
        return frame

    def make() -> Iterator[np.ndarray]:
        def source() -> Iterator[tuple[np.ndarray, dict[int, FaceState]]]:
            return _with_states(clip, cast, tuple(voices))

        pairs = lengthened(source, clip.frame_count, count, options.longer, stretch)
        # Frames are drawn on other threads while the next ones are decoded and earlier ones encoded.
        for frame in computed(partial(drawn, index, *pair) for index, pair in enumerate(pairs)):
            yield frame[None]

    made = clip.replaced(make=make, frame_count=count, audio=audio)
    return Dub(made, cast, tuple(sorted(voices)), tuple(unsure))


def lip_engine(engine: Engine) -> LipEngine:
    """Return the engine if it can dub. Raises InputError for one that only makes photos speak."""
    if not isinstance(engine, LipEngine):
        raise InputError(f"the {engine.name} engine makes photos speak; a video is dubbed with the lite engine only")
    return engine


def own_sound(clip: Clip) -> Audio:
    """Return the video's own sound, by which its speakers are found. Raises InputError where there is none."""
    if clip.audio is None:
        raise InputError(
            "who speaks is found by the video's own sound, and it has none; name a person, a voice for each, or turns"
        )
    return clip.audio


def _given_to_speakers(
    voice: Audio, clip: Clip, cast: Cast, engine: LipEngine
) -> tuple[dict[int, Audio], list[tuple[float, float]]]:
    """The voice divided among those who speak in the video, and the stretches that were given to nobody."""
    found = who_speaks(cast, own_sound(clip), engine, clip.fps)
    ends = {who: spans[-1][1] for who, spans in found.spans.items()}
    last = max(ends, key=lambda who: ends[who])
    voices = {}
    for who, spans in found.spans.items():
        # Whoever speaks last in the video also speaks the rest of a longer voice.
        end = max(ends[who], voice.seconds) if who == last else ends[who]
        voices[who] = gated(voice, [*spans[:-1], (spans[-1][0], end)])
    return voices, found.unsure


def mouth_motion(voice: Audio, engine: LipEngine, settings: Settings, fps: Fraction) -> np.ndarray:
    """(frames, channels) rows of lite motion at `fps` for a face that speaks `voice`."""
    speech = shifted(speech_waveform(voice, SPEECH_RATE), settings.lip_sync_offset, SPEECH_RATE)
    return at_rate(engine.lips(speech, settings), frame_count(len(speech) / SPEECH_RATE, fps), fps)


def _painter(person: Person) -> MouthPainter:
    assert person.view is not None
    return MouthPainter(rest_face(person, MouthBasis.load()), person.view)


def _with_states(clip: Clip, cast: Cast, numbers: tuple[int, ...]) -> Iterator[tuple[np.ndarray, dict[int, FaceState]]]:
    """Every frame of the video with the faces to draw on it."""
    basis = MouthBasis.load()
    tracks = {number: states(cast.people[number], cast, basis) for number in numbers}
    ahead = {number: next(track, None) for number, track in tracks.items()}
    for index, frame in enumerate(clip.pictures()):
        faces = {}
        for number, track in tracks.items():
            found = ahead[number]
            if found is not None and found[0] == index:
                faces[number] = found[1]
                ahead[number] = next(track, None)
        yield frame, faces


def _passed_through(cast: Cast, number: int, fps: float) -> list[PassedThrough]:
    reasons = ["no face is seen"] * cast.frame_count
    for frame, state in states(cast.people[number], cast, MouthBasis.load()):
        reasons[frame] = state.reason
    parts, start = [], 0
    for frame in range(1, cast.frame_count + 1):
        if frame < cast.frame_count and _kind(reasons[frame]) == _kind(reasons[start]):
            continue
        if reasons[start] and frame - start >= SHORTEST_PASS * fps:
            parts.append(PassedThrough(number, start / fps, frame / fps, reasons[start]))
        start = frame
    return parts


def _kind(reason: str) -> str:
    """The reason without its numbers, which change from frame to frame."""
    return "".join(letter for letter in reason if not letter.isdigit())


def _check_people(voices: Mapping[int, object], count: int) -> None:
    """Raise InputError when a voice is for somebody who is not in the video."""
    for number in voices:
        if not 0 <= number < count:
            there = "only person 0" if count == 1 else f"persons 0 to {count - 1}"
            raise InputError(f"a voice is for person {number} but the video has {there}; see --preview for the numbers")
