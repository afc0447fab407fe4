"""All frames of a clip as one IMAGE tensor, the one place where a whole clip is held. Says first what that costs."""

from __future__ import annotations

import logging
from typing import Any

import torch
from comfy_api.latest import io

from . import host
from .node import SonicNode, schema
from .sockets import SonicClip, SonicLatents, as_clip, audio_socket, clip_input

logger = logging.getLogger("sonic_studio")


class SonicClipToImages(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicClipToImages",
            display_name="Sonic: Clip to Images",
            description="Gives the frames to other nodes. All of them are held in memory at once: "
            "3 MB a frame at 512 x 512, 79 MB a second. The record that the video was made by AI is lost here: "
            "Sonic: Render Video keeps it, and holds no frames.",
            inputs=[
                clip_input("The clip to take frames from, or the sampler's latents."),
                io.Int.Input("start", default=0, min=0, max=10**6, tooltip="The first frame to take, counted from 0."),
                io.Int.Input("count", default=0, min=0, max=10**6, tooltip="How many frames to take. 0: all the rest."),
            ],
            outputs=[
                io.Image.Output("images", display_name="images", tooltip="The frames, without the AI record."),
                io.Audio.Output("audio", display_name="audio", tooltip="The sound that belongs to them."),
                io.Float.Output("fps", display_name="fps", tooltip="Frames a second."),
                io.Mask.Output(
                    "mask",
                    display_name="mask",
                    tooltip="Where the person is, white, after Sonic: Cut Out with 'transparent'; else all white.",
                ),
            ],
        )

    @classmethod
    def run(cls, on_step: Any, clip: SonicClip | SonicLatents, start: int, count: int) -> io.NodeOutput:
        part = as_clip(clip).clip.part(start, count or None)
        needed = part.frame_count * part.height * part.width * part.channels * 4
        cost = f"{part.frame_count} frames of {part.width} x {part.height}: {needed / 2**20:.0f} MB"
        logger.info("Clip to Images holds %s", cost)
        host.say(cost)
        host.check_memory(needed, cost)
        images = torch.empty(part.frame_count, part.height, part.width, 3)
        mask = torch.ones(1, part.height, part.width).expand(part.frame_count, -1, -1)
        if part.has_alpha:
            mask = torch.empty(part.frame_count, part.height, part.width)
        for index, frame in enumerate(part.frames()):
            images[index] = torch.from_numpy(frame[..., :3])
            if part.has_alpha:
                mask[index] = torch.from_numpy(frame[..., 3])
            on_step(index + 1, part.frame_count)
        return io.NodeOutput(images, audio_socket(part), float(part.fps), mask)
