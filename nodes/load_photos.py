"""Every photo of a folder, as a list: all nodes behind run once for each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from comfy_api.latest import io

from sonic_core.errors import InputError, SonicError
from sonic_core.media.file_type import PICTURE_SUFFIXES
from sonic_core.media.image import load_image

from . import host
from .node import SonicNode, schema

MOST_PHOTOS = 500


class SonicLoadPhotos(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicLoadPhotos",
            display_name="Sonic: Load Photos",
            description="Loads every photo in a folder of ComfyUI's input folder, in the order of their names. Each "
            "keeps its own size; the nodes that follow run once per photo.",
            search_aliases=["load folder", "load images from folder", "batch", "directory"],
            inputs=[
                io.Combo.Input(
                    "folder",
                    options=host.input_folders(),
                    tooltip="A folder in ComfyUI's input folder. After adding one, press R to see it here.",
                ),
                io.Int.Input("first", default=0, min=0, max=10**6, tooltip="How many photos to skip."),
                io.Int.Input(
                    "count",
                    default=0,
                    min=0,
                    max=MOST_PHOTOS,
                    tooltip="How many to take. 0: all.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "images", display_name="images", is_output_list=True, tooltip="One photo after another."
                ),
                io.String.Output(
                    "names", display_name="names", is_output_list=True, tooltip="Their names, for file names."
                ),
            ],
        )

    @classmethod
    def run(cls, on_step: Any, folder: str, first: int, count: int) -> io.NodeOutput:
        files = photos_in(folder)[first:][: count or None]
        if not files:
            raise InputError(f"folder {folder!r} has no photo from number {first} on; put some there or lower first")
        if len(files) > MOST_PHOTOS:
            raise InputError(f"folder {folder!r} has {len(files)} photos; take {MOST_PHOTOS} at once with count")
        images = []
        for index, file in enumerate(files):
            images.append(host.image_tensor(load_image(file)))
            on_step(index + 1, len(files))
        return io.NodeOutput(images, [file.stem for file in files])

    @classmethod
    def validate_inputs(cls, folder: str | None = None) -> bool | str:
        try:
            if folder is not None:
                host.input_folder(folder)
        except SonicError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, folder: str, **_: object) -> float:
        return max((file.stat().st_mtime for file in photos_in(folder)), default=0.0)


def photos_in(folder: str) -> list[Path]:
    """The photos of a folder in ComfyUI's input folder, by name."""
    place = host.input_folder(folder)
    files = [Path(entry.path) for entry in os.scandir(place) if entry.is_file()]
    return sorted(file for file in files if file.suffix.lower() in PICTURE_SUFFIXES)
