"""A video that is there already speaks with another voice: only the lower face changes."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from sonic_core.clip import Clip
from sonic_core.dubbing import DubOptions
from sonic_core.media.audio import load_audio
from sonic_core.media.image import load_image
from sonic_core.settings import preset as settings_of_preset

from . import host
from .model import SonicModel
from .node import SonicNode, checked, schema
from .sockets import ClipSocket, ModelSocket, SonicClip, audio_pair, without_record
from .video_to_clip import clip_of_video
from .widgets import LARGEST_SEED, choice, preset_choice, setting


class SonicDub(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicDub",
            display_name="Sonic: Dub Video",
            description="Gives a video another voice. Only the lower face changes; head, eyes, hands and light stay. "
            "For several people chain one node per person, or set who to auto. Lite model only.",
            search_aliases=["dub", "lip sync video", "translate video", "voice over", "lipsync", "配音", "口型"],
            inputs=[
                ModelSocket.Input("model", tooltip="From Sonic: Load Model, with the model lite."),
                io.MultiType.Input("video", types=[io.Video, ClipSocket], tooltip="The video, or a clip."),
                io.Audio.Input("audio", tooltip="The new speech."),
                setting(
                    "person",
                    tooltip="Who speaks it: a number from the output people. -1: whoever fills most of the video.",
                ),
                preset_choice(),
                setting("dynamic_scale", slider=True),
                setting("lip_sync_offset"),
                choice(
                    "longer",
                    tooltip="How the video is extended when the speech is longer: its last seconds back and forth, "
                    "all of it again, or its last frame.",
                ),
                choice(
                    "shorter",
                    tooltip="What the video does when the speech is shorter: it goes on with the lips shut, "
                    "or it is cut.",
                ),
                setting(
                    "own_sound",
                    tooltip="How loud the video's own sound stays under the new speech. 0: not at all.",
                    slider=True,
                ),
                setting("seed", max=LARGEST_SEED, control_after_generate=True),
                choice(
                    "who",
                    optional=True,  # workflows of 0.2.0 do not have it
                    tooltip="one: person speaks all of it. auto: each person speaks the parts that were theirs in the "
                    "video's own sound. Where it cannot be told whose a part is, nobody speaks it.",
                ),
            ],
            outputs=[
                ClipSocket.Output("clip", display_name="clip", tooltip="The dubbed video, with the new speech."),
                io.Image.Output("people", display_name="people", tooltip="Everybody in the video with their numbers."),
                io.String.Output(
                    "left_alone", display_name="left alone", tooltip="Where people were left as they are, and why."
                ),
            ],
        )

    @classmethod
    def run(
        cls,
        on_step: Any,
        model: SonicModel,
        video: Any,
        audio: Any,
        person: int,
        preset: str,
        longer: str,
        shorter: str,
        own_sound: float,
        who: str = DubOptions.who,
        **widgets: Any,
    ) -> io.NodeOutput:
        from sonic_core.dub.dub import dub, look_at  # they need SciPy, which loads slowly
        from sonic_core.dub.preview import numbered

        clip: Clip = video.clip if isinstance(video, SonicClip) else clip_of_video(video)
        voice = load_audio(audio_pair(audio))
        settings = settings_of_preset(preset).with_changes(**widgets)
        options = DubOptions(person, who, longer, shorter, own_sound)  # type: ignore[arg-type]
        cast = look_at(clip, model.pipeline.detector, on_step)
        made = dub(clip, voice, model.pipeline.engine, cast, settings, options)
        people = host.image_tensor(load_image(numbered(cast, host.temporary_file("people", ".png"))))
        left = [f"{p.start:.1f} to {p.end:.1f} s: {p.reason}" for p in made.passed_through()]
        left += [f"{start:.1f} to {end:.1f} s: it cannot be told who speaks" for start, end in made.unsure]
        return io.NodeOutput(SonicClip(without_record(made.clip)), people, "\n".join(left))

    @classmethod
    def validate_inputs(
        cls,
        preset: str | None = None,
        longer: str | None = None,
        shorter: str | None = None,
        who: str | None = None,
    ) -> bool | str:
        return checked(cls, preset=preset, longer=longer, shorter=shorter, who=who)
