"""The whole pipeline in one object: photo and sound in, lazy Clip out.

`SonicPipeline` chains the stages and checks what passes between them: the lengths of sound and video, the
framing, the size. It knows the Engine protocol and no engine; nodes and workers call the same stages one by one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sonic_core.clip import Audio, Clip
from sonic_core.device import device_of
from sonic_core.engines import load_engine
from sonic_core.engines.base import (
    SPEECH_RATE,
    Engine,
    ProgressiveEngine,
    Talk,
)
from sonic_core.errors import InputError, SettingsError
from sonic_core.face.crop import Box
from sonic_core.face.detect import Face, FaceDetector
from sonic_core.face.framing import Portrait, face_in_photo, frame_portrait
from sonic_core.finish.alpha import with_alpha
from sonic_core.finish.chain import finished
from sonic_core.finish.paste_back import paste_back
from sonic_core.finishing import Finishing
from sonic_core.matting.cutout import Cutout, cut_out
from sonic_core.media.audio import load_voice, shifted, sound_for, speech_waveform
from sonic_core.media.hls import save_stream
from sonic_core.media.image import load_image
from sonic_core.media.stored_sound import Speech
from sonic_core.media.video import open_video, save_video
from sonic_core.media.voices import by_channel
from sonic_core.progress import OnStep, no_step
from sonic_core.request import Request
from sonic_core.settings import Settings, shown


@dataclass(frozen=True)
class PreparedInputs:
    """A photo and a sound, checked, framed and cut, ready for an engine."""

    photo: np.ndarray  # uint8 (h, w, 3), the photo as it came
    crop: Box | None  # the part of the photo the portrait shows, None for all of it
    portrait: Portrait
    audio: Audio  # what goes into the video
    speech: Speech  # float32 (samples,) 16 kHz, shifted by lip_sync_offset, what drives the lips
    settings: Settings
    cutout: Cutout | None = None  # the person in the photo as a whole, where the face is pasted back without background

    @property
    def shown(self) -> Box:
        """The part of the photo that the portrait shows: the crop, or all of it."""
        height, width = self.photo.shape[:2]
        return self.crop or (0, 0, width, height)

    def face_in_photo(self) -> Face:
        """The portrait's face in the pixels of the photo."""
        return face_in_photo(self.portrait, self.shown)

    def without_background(self) -> PreparedInputs:
        """The same with the person cut out."""
        if self.portrait.cutout is not None:
            return self
        image = self.portrait.image
        if self.settings.framing != "photo":
            return replace(self, portrait=replace(self.portrait, cutout=cut_out(image)))
        whole = cut_out(self.photo)
        portrait = replace(self.portrait, cutout=whole.part(self.shown, (image.shape[1], image.shape[0])))
        return replace(self, portrait=portrait, cutout=whole)


@dataclass
class SonicPipeline:
    """One engine, loaded once and used for any number of clips.

        pipe = SonicPipeline.from_pretrained("lite")
        clip = pipe(image="portrait.jpg", audio="speech.mp3", min_resolution=1024, seed=0)
        pipe.save_video(clip, "result.mp4")

    `seconds` holds how long each stage of the last call took.
    """

    engine: Engine
    detector: FaceDetector
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str] = "lite",
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        **options: Any,
    ) -> SonicPipeline:
        """Load an engine: "lite", or a folder of the released Sonic files (see `engines.load_engine`).

        `device` defaults to the GPU when there is one, `dtype` to what suits it. Raises ModelError for missing files
        and SettingsError for a device that is not there.
        """
        start = time.perf_counter()
        pipe = cls(load_engine(model, device_of(device), dtype, **options), FaceDetector())
        pipe.seconds["load"] = time.perf_counter() - start
        return pipe

    def __call__(
        self,
        image: Any,
        audio: Any,
        settings: Request | Settings | str | None = None,
        on_step: OnStep = no_step,
        *,
        job_id: str = "",
        **changes: Any,
    ) -> Clip:
        """Make a talking clip, finished.

        `image`: path, PIL, numpy or torch; `audio`: path, `Audio` or (samples, rate). `settings`: a `Request`, a
        `Settings`, the name of a preset, or nothing for the defaults; `changes` are single settings, of the engine or
        of finishing, by name. `job_id` goes into the file's AI record. Frames are made when the clip is iterated or
        saved. Raises SonicError subclasses for anything the caller can mend.
        """
        request = Request.of(settings, **changes)
        if request.settings.voices == "channels":
            voices = by_channel(sound_for(audio, request.settings))
            return self.dialogue(image, voices, None, request, on_step, job_id=job_id, duration=None)
        with self._timed("prepare"):
            prepared = self.prepare(image, audio, request)
        with self._timed("condition"):
            conditions = self.engine.condition(prepared.portrait, prepared.speech, prepared.settings)
        with self._timed("sample"):
            latents = self.engine.sample(conditions, prepared.settings, on_step)
        return self.finish(self.engine.decode(latents, prepared.settings), prepared, request.finishing, job_id)

    def stream(
        self,
        image: Any,
        audio: Any,
        settings: Request | Settings | str | None = None,
        on_step: OnStep = no_step,
        *,
        job_id: str = "",
        **changes: Any,
    ) -> Clip:
        """Make a talking clip whose first frames do not wait for the last ones, where the engine can.

        Arguments and errors are those of calling the pipeline. Engines that sample a clip as a whole do so first.
        """
        request = Request.of(settings, **changes)
        if not isinstance(self.engine, ProgressiveEngine) or request.settings.voices == "channels":
            return self(image, audio, request, on_step, job_id=job_id)
        with self._timed("prepare"):
            prepared = self.prepare(image, audio, request)
        clip = self.engine.stream(prepared.portrait, prepared.speech, prepared.settings)
        return self.finish(clip, prepared, request.finishing, job_id)

    def dub(
        self,
        video: Any,
        audio: Any,
        settings: Request | Settings | str | None = None,
        on_step: OnStep = no_step,
        *,
        job_id: str = "",
        **changes: Any,
    ) -> Clip:
        """Give a video another voice, finished; only the lower faces change. Lite engine only.

        `video`: a path or a Clip; `audio`: one sound for one person, or {number: sound} for several, each as for
        calling the pipeline; with the setting `voices` channels, one sound with a channel for each of the persons
        `faces`, or for 0, 1, ... Options are those of `dubbing.DubOptions`. Call `dub.dub` to learn who was seen and
        what was left untouched.
        """
        from sonic_core.dub.dub import dub, look_at

        request = Request.of(settings, **changes)
        if isinstance(audio, dict) and (not audio or not all(type(number) is int for number in audio)):
            raise InputError(f"the voices are for {shown(list(audio))}; give {{number of a person: sound, ...}}")
        clip = video if isinstance(video, Clip) else open_video(video, with_audio=request.dub.needs_own_sound)
        channel = request.settings.channel
        voices: Audio | dict[int, Audio]
        if isinstance(audio, dict):
            voices = {number: load_voice(one, channel) for number, one in audio.items()}
        elif request.settings.voices == "channels":
            parts = by_channel(sound_for(audio, request.settings))
            voices = dict(zip(request.settings.faces or range(len(parts)), parts, strict=False))
        else:
            voices = load_voice(audio, channel)
        with self._timed("prepare"):
            cast = look_at(clip, self.detector, on_step)
        with self._timed("sample"):
            made = dub(clip, voices, self.engine, cast, request.settings, request.dub)
        return finished(made.clip, request.finishing, job_id=job_id)

    def dialogue(
        self,
        image: Any,
        voices: Sequence[Any],
        faces: Sequence[int] | None = None,
        settings: Request | Settings | str | None = None,
        on_step: OnStep = no_step,
        *,
        job_id: str = "",
        **changes: Any,
    ) -> Clip:
        """Let several people in one picture speak, a voice each, finished; see `dialogue.dialogue`.

        `faces` is the setting of that name: the number of each voice's face, counted from the largest.
        """
        from sonic_core.dialogue.dialogue import dialogue

        if faces is not None:
            changes["faces"] = tuple(faces)
        request = Request.of(settings, **changes)
        sounds = [load_voice(voice, request.settings.channel) for voice in voices]
        with self._timed("sample"):
            clip = dialogue(
                load_image(image), sounds, self.engine, self.detector, request.settings, on_step,
                request.finishing.background is not None,
            )  # fmt: skip
        return finished(clip, request.finishing, job_id=job_id)

    def talk(self, image: Any, settings: Settings | str | None = None, **changes: Any) -> Talk:
        """The photo as a face that talks live, for `live.session.LiveSession`.

        Raises SettingsError for an engine that cannot, or settings that only a finished clip can have.
        """
        if not isinstance(self.engine, ProgressiveEngine):
            raise SettingsError(f"the engine {self.engine.name!r} is too slow to talk live; choose lite")
        chosen = Request.of(settings).settings.with_changes(**changes)
        if chosen.framing == "photo" or chosen.fps != 25:
            raise SettingsError("a live talk has 25 frames a second and the framing whole or face; change the settings")
        _, portrait = frame_portrait(load_image(image), self.detector, chosen, self.engine.size_multiple)
        return self.engine.talk(portrait, chosen)

    def prepare(self, image: Any, audio: Any, asked: Request | Settings) -> PreparedInputs:
        """Read, check, frame and cut the inputs of one face; cut the person out where another background is wanted.

        Raises SonicError subclasses.
        """
        request = Request.of(asked)
        settings = request.settings
        if settings.faces is not None:
            raise SettingsError("faces says whose voice each channel is; set voices to channels as well")
        sound = sound_for(audio, settings)
        photo = load_image(image)
        crop, portrait = frame_portrait(photo, self.detector, settings, self.engine.size_multiple)
        speech = shifted(speech_waveform(sound, SPEECH_RATE), settings.lip_sync_offset, SPEECH_RATE)
        prepared = PreparedInputs(photo, crop, portrait, sound, speech, settings)
        return prepared if request.finishing.background is None else prepared.without_background()

    def finish(self, clip: Clip, prepared: PreparedInputs, wanted: Finishing, job_id: str = "") -> Clip:
        """The engine's clip with its sound, after all finishing stages; pasted back where framing is "photo"."""

        def paste_back(clip: Clip) -> Clip:
            return self.paste_back(clip, prepared) if prepared.settings.framing == "photo" else clip

        if wanted.background is not None:
            clip = with_alpha(clip, prepared.portrait)
        return finished(clip.replaced(audio=prepared.audio), wanted, paste_back=paste_back, job_id=job_id)

    def paste_back(self, clip: Clip, prepared: PreparedInputs) -> Clip:
        """The clip put back into the photo it was cut from; other people in the photo are left alone."""
        if prepared.crop is None:
            return clip
        face = prepared.face_in_photo()
        x, y = (np.array(face.box[:2]) + face.box[2:]) / 2
        others = [
            other.landmarks
            for other in self.detector.detect(prepared.photo)
            if not (other.box[0] <= x <= other.box[2] and other.box[1] <= y <= other.box[3])
        ]
        photo, portrait = prepared.photo, prepared.portrait.image
        if clip.has_alpha:
            whole = prepared.without_background()
            photo = (whole.cutout or cut_out(photo)).pixels
            assert whole.portrait.cutout is not None
            portrait = whole.portrait.cutout.pixels
        return paste_back(clip, photo, prepared.crop, portrait, face.landmarks, others)

    def save_video(
        self,
        clip: Clip,
        path: str | os.PathLike[str],
        crf: int = 18,
        on_frame: OnStep | None = None,
        **options: Any,
    ) -> Path:
        """Make the frames and write them with the sound; `options` are those of `media.video.save_video`."""
        with self._timed("render"):
            return save_video(clip, path, crf, on_frame, **options)

    def save_stream(
        self,
        clip: Clip,
        folder: str | os.PathLike[str],
        crf: int = 18,
        on_frame: OnStep | None = None,
    ) -> Path:
        """Make the frames and write them as a stream that plays meanwhile; see `media.hls.save_stream`."""
        with self._timed("render"):
            return save_stream(clip, folder, crf, on_frame)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start
