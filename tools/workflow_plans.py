"""The bundled workflows as they are meant: nodes, where they stand, what is connected, and the notes beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from schemas import widget_names

COLOURS = {"input": "#5f9fb5", "model": "#9a7fc0", "make": "#6fb57f", "finish": "#c0a95f", "save": "#c07f7f"}


@dataclass(frozen=True)
class Node:
    """A node: class, place and size on the canvas, widgets that differ from their defaults, and connected inputs."""

    kind: str
    at: tuple[int, int]
    size: tuple[int, int]
    set: dict[str, Any] = field(default_factory=dict)
    links: dict[str, tuple[str, int]] = field(default_factory=dict)  # input -> (name of a node, its output)
    title: str = ""  # another one than its class has


@dataclass(frozen=True)
class Workflow:
    nodes: dict[str, Node]
    groups: list[tuple[str, str, list[str]]]  # title, colour, names of the nodes in it
    notes: list[tuple[tuple[int, int], tuple[int, int], str]]  # place, size, Markdown


PHOTO, SOUND = "sonic_portrait.jpg", "sonic_speech.flac"
FROM_INPUT_FOLDER = {
    "photo": Node("LoadImage", (0, -60), (360, 340), {"image": PHOTO}),
    "sound": Node("SonicLoadAudio", (0, 400), (360, 290), {"audio": SOUND}),
}
FROM_STORAGE = {
    "photo": Node(
        "SonicOSSLoad", (0, -60), (360, 140), {"source": f"inputs/comfyui/samples/{PHOTO}"}, title="Photo from storage"
    ),
    "sound": Node(
        "SonicOSSLoad", (0, 160), (360, 140), {"source": f"inputs/comfyui/samples/{SOUND}"}, title="Voice from storage"
    ),
}


def talking(
    preset: str,
    finishing: list[tuple[str, str, dict[str, Any]]],
    prepare: dict[str, Any],
    note: str,
    sources: dict[str, Node] = FROM_INPUT_FOLDER,
) -> Workflow:
    """Photo and sound to a video: prepare, sample, decode, the finishing stages in a row, render, keep."""
    in_storage = sources is FROM_STORAGE
    nodes = {
        "model": Node("SonicLoadModel", (0, -330), (360, 150)),
        **sources,
        "prepare": Node(
            "SONIC_PreData",
            (440, -60),
            (360, 340),
            prepare,
            {"model": ("model", 0), "image": ("photo", 0), "audio": ("sound", 1 if in_storage else 0)},
        ),
        "seen": Node("PreviewImage", (440, 400), (360, 290), {}, {"images": ("prepare", 1)}),
        "sample": Node(
            "SonicSampler",
            (880, -190),
            (340, 560),  # with room for the preview
            {"preset": preset},
            {"model": ("model", 0), "predata": ("prepare", 0)},
        ),
        "decode": Node("SonicDecode", (1300, -330), (240, 60), {}, {"model": ("model", 0), "latents": ("sample", 0)}),
    }
    x, clip = 1300, "decode"
    for index, (name, kind, widgets) in enumerate(finishing):
        height = 60 + 26 * len(widget_names(kind))
        nodes[name] = Node(kind, (x + 300 * index + 320, -330), (260, height), widgets, {"clip": (clip, 0)})
        clip = name
    x += 300 * len(finishing) + 320
    nodes["render"] = Node("SonicRenderVideo", (x + 20, -330), (400, 520), {}, {"clip": (clip, 0)})
    nodes |= uploaded(x + 480) if in_storage else saved(x + 480)
    groups = [
        ("1  Model, photo, voice", COLOURS["input"], ["model", "photo", "sound"]),
        ("2  Prepare and look", COLOURS["model"], ["prepare", "seen"]),
        ("3  Make the motion", COLOURS["make"], ["sample"]),
        ("4  Frames and finish", COLOURS["finish"], ["decode", *(name for name, _, _ in finishing)]),
        ("5  Video", COLOURS["save"], list(nodes)[list(nodes).index("render") :]),
    ]
    notes = [((1300, 0), (580, 330), note)]
    return Workflow(nodes, groups, notes)


def saved(x: int) -> dict[str, Node]:
    widgets = {"filename_prefix": "video/sonic"}
    return {"save": Node("SaveVideo", (x, -330), (400, 520), widgets, {"video": ("render", 0)})}


def uploaded(x: int) -> dict[str, Node]:
    return {
        "upload": Node("SonicOSSUpload", (x, -330), (400, 140), {}, {"media": ("render", 0)}),
        "link": Node("PreviewAny", (x + 480, -330), (400, 180), {}, {"source": ("upload", 0)}, "Link"),
    }


NOTE = """### {title}

1. Choose a photo and a voice on the left (or drop files on the nodes).
2. Press **Run**. *Prepare and look* shows the face that was found. No face? Give it by hand in `face_box`.
3. The video plays in **Render Video**; **Save Video** keeps it in ComfyUI's `output/video`.

**Model** `lite` is bundled and runs on any computer. For the released Sonic model put its files into
`models/sonic` and choose `sonic` in *Load Model*: nothing else changes.

{more}
"""
FAST_NOTE = NOTE.format(
    title="Sonic Studio: fast",
    more="Preset `fast` takes 10 steps and approximates. The workflow *sonic_high_quality* takes all of them.",
)
HIGH_NOTE = NOTE.format(
    title="Sonic Studio: high quality",
    more="The face is animated as a square and put back into the photo at its full size. "
    "*Lip Align* measures lips against sound and mends a difference; *Smooth* takes out jitter and flicker, of which "
    "lite has little: bypass it (Ctrl+B) to be done sooner.",
)
STORAGE_NOTE = """### Sonic Studio: from storage and back

1. Press **Run**. Nothing needs to be set up: the storage is a folder on this computer,
   `~/.local/share/sonic-studio/storage`, and the sample photo and voice are put into it.
2. Your own files: name their keys in `source`, or an https URL. In the folder, the key `inputs/me/1/photo.jpg`
   is the file `objects/inputs/me/1/photo.jpg`.
3. The video is uploaded as the file it is; the node shows its key, **Link** where to get it.

**OSS in place of the folder**: write a profile (bucket, region) into `~/.config/sonic-studio/storage.toml`, give its
name in `profile`, and start ComfyUI with the access key in its environment. It never comes into a workflow.
`docs/comfyui.md` has an example.
"""


def workflows() -> dict[str, Workflow]:
    return {
        "sonic_fast": talking("fast", [("label", "SonicLabel", {})], {}, FAST_NOTE),
        "sonic_high_quality": talking(
            "high_quality",
            [
                ("align", "SonicLipAlign", {}),
                ("smooth", "SonicSmooth", {}),
                ("paste", "SonicPasteBack", {}),
                ("label", "SonicLabel", {}),
            ],
            {"framing": "face"},
            HIGH_NOTE,
        ),
        "sonic_oss": talking("fast", [("label", "SonicLabel", {})], {}, STORAGE_NOTE, FROM_STORAGE),
    }
