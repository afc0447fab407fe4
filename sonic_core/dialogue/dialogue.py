"""One picture, several faces, a voice each.

Every face is animated on its own in the whole picture, as if the others were part of the background; the videos are
then blended head by head. Whoever is silent listens: shut lips, glances at the speaker, nods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from sonic_core.clip import Audio, Clip
from sonic_core.dialogue.listening import listen
from sonic_core.dialogue.picture import composed
from sonic_core.engines.base import SPEECH_RATE, Engine, Latents
from sonic_core.engines.lite.layout import FPS
from sonic_core.errors import InputError, NoFaceError, SettingsError
from sonic_core.face.detect import Face, FaceDetector
from sonic_core.face.framing import frame_portrait
from sonic_core.matting.cutout import cut_out
from sonic_core.media.audio import shifted, speech_waveform
from sonic_core.media.voices import activity, mixed
from sonic_core.progress import OnStep, no_step
from sonic_core.settings import MOST_FACES, Settings


def dialogue(
    photo: np.ndarray,
    voices: Sequence[Audio],
    engine: Engine,
    detector: FaceDetector,
    settings: Settings,
    on_step: OnStep = no_step,
    without_background: bool = False,
) -> Clip:
    """A clip in which each of several faces speaks its own voice; with an alpha channel if `without_background`.

    photo: uint8 (h, w, 3). `settings.faces` says whose voice each is. The sound is all voices together. Raises
    SettingsError for settings that mean one face, NoFaceError for faces that are not there.
    """
    check(settings, len(voices))
    numbers = settings.faces or from_left(detector.detect(photo), len(voices))
    seconds = max(voice.seconds for voice in voices)
    whole = [voice.placed(0, max(voice.length, round(seconds * voice.rate))) for voice in voices]
    portraits = [
        frame_portrait(photo, detector, settings.with_changes(face_index=number), engine.size_multiple)[1]
        for number in numbers
    ]
    if without_background:
        everybody = cut_out(portraits[0].image)
        portraits = [replace(portrait, cutout=everybody) for portrait in portraits]
    latents = []
    for index, (portrait, voice) in enumerate(zip(portraits, whole, strict=True)):
        speech = shifted(speech_waveform(voice, SPEECH_RATE), settings.lip_sync_offset, SPEECH_RATE)
        own = settings.with_changes(seed=settings.seed + index)  # or all would blink together
        latents.append(engine.sample(engine.condition(portrait, speech, own), own))
        on_step(index + 1, len(voices), None)
    if engine.name == "lite":
        latents = _listening(latents, whole, settings)
    clips = [engine.decode(part, settings) for part in latents]
    clip = composed(clips, [portrait.face for portrait in portraits])
    return clip.replaced(audio=mixed(whole))


def check(settings: Settings, voices: int) -> None:
    """Raise SettingsError or InputError for settings or a number of voices that a dialogue cannot be made with."""
    if not 2 <= voices <= MOST_FACES:
        raise InputError(f"a dialogue was asked for with {voices} voices; give 2 to {MOST_FACES}")
    if settings.faces is not None and len(settings.faces) != voices:
        raise SettingsError(f"faces is {list(settings.faces)} for {voices} voices; give a face for each voice")
    if settings.framing != "whole":
        raise SettingsError(f"framing is {settings.framing!r}, which shows one face; a dialogue needs 'whole'")
    if settings.face_box is not None:
        raise SettingsError("face_box points at one face; for a dialogue give the numbers of the faces")
    if settings.duration is not None:
        raise SettingsError("duration cuts one sound; a dialogue is as long as its longest voice, so leave it out")


def from_left(found: Sequence[Face], count: int) -> list[int]:
    """Numbers of the `count` largest faces, from left to right. Raises NoFaceError when there are fewer."""
    if len(found) < count:
        there = "no face" if not found else "one face" if len(found) == 1 else f"{len(found)} faces"
        raise NoFaceError(f"{count} voices were given but {there} was found; use a photo that shows everybody clearly")
    return sorted(range(count), key=lambda number: found[number].box[0])


def _listening(latents: Sequence[Latents], voices: Sequence[Audio], settings: Settings) -> list[Latents]:
    """Everybody's motion, to which the glances and nods of listeners are added."""
    count = len(latents[0].values)
    speaks = np.stack([activity(voice, FPS, count) for voice in voices])
    places = [(part.portrait.face.box[0] + part.portrait.face.box[2]) / 2 for part in latents]
    made = []
    for index, part in enumerate(latents):
        others = np.delete(speaks, index, axis=0)
        # Listeners look at the speaker, or between the speakers while several speak.
        beside = np.delete(np.sign(np.array(places) - places[index]), index)
        direction = float((beside * others.sum(1)).sum() / max(others.sum(), 1))
        rows: Any = listen(
            part.values.numpy(),
            speaks[index],
            np.asarray(others.any(0)),
            direction * settings.motion_scale,
            settings.seed + index,
        )
        made.append(replace(part, values=torch.from_numpy(rows)))
    return made
