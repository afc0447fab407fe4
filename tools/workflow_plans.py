"""What the bundled workflows consist of: their nodes, the places of these, the connections, and the notes.

Each stands in columns that fit a window of 1680 x 1000 at full size: photo and voice, face, motion, finish, video.
Heights are those that the newest front end (Nodes 2.0) gives a node, which are the larger ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workflow_notes import note

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
class App:
    """What is seen without the graph: widgets (node, widget) in order, and the nodes whose results are shown."""

    inputs: list[tuple[str, str]]
    outputs: list[str]


@dataclass(frozen=True)
class Workflow:
    title: str  # what the template browser shows: the name of the file
    nodes: dict[str, Node]
    groups: list[tuple[str, str, list[str]]]  # title, colour, names of the nodes in it
    notes: list[tuple[tuple[int, int], tuple[int, int], str]]  # place, size, Markdown
    app: App | None = None


PHOTO, SOUND = "sonic_portrait.jpg", "sonic_speech.flac"
GAP, ROW = 44, 36  # between columns, with the borders of two groups in it; between rows, with a title bar in it
BOTTOM = 830
WIDTHS = {"input": 260, "model": 280, "make": 260, "finish": 260, "save": 300}


def columns(*names: str) -> dict[str, int]:
    """Where each column begins."""
    places, x = {}, 0
    for name in names:
        places[name] = x
        x += WIDTHS[name] + GAP
    return places


AT = columns("input", "model", "make", "finish", "save")
LOAD_MODEL = Node("SonicLoadModel", (0, 0), (WIDTHS["input"], 110))
PICK_PHOTO = Node("LoadImage", (0, 146), (WIDTHS["input"], 304), {"image": PHOTO})
PICK_SOUND = Node("SonicLoadAudio", (0, 486), (WIDTHS["input"], BOTTOM - 486), {"audio": SOUND})

SAID = "Hello! I was a photo until a moment ago. Now I can say whatever you write here."
WORDS = Node("PrimitiveStringMultiline", (0, 486), (WIDTHS["input"], 140), {"value": SAID}, title="Text to say")


def stored(y: int, file: str, title: str) -> Node:
    source = {"source": f"inputs/comfyui/samples/{file}"}
    return Node("SonicOSSLoad", (0, y), (WIDTHS["input"], 152), source, title=title)


def prepared(photo: tuple[str, int], sound: tuple[str, int], **widgets: Any) -> dict[str, Node]:
    """Photo and sound made ready, and what was found in them."""
    links = {"model": ("model", 0), "image": photo, "audio": sound}
    return {
        "prepare": Node("SONIC_PreData", (AT["model"], 50), (WIDTHS["model"], 400), widgets, links),
        "seen": Node(
            "PreviewImage", (AT["model"], 486), (WIDTHS["model"], BOTTOM - 486), {}, {"images": ("prepare", 1)}
        ),
    }


def sampled(preset: str) -> dict[str, Node]:
    links = {"model": ("model", 0), "predata": ("prepare", 0)}
    return {"sample": Node("SonicSampler", (AT["make"], 0), (WIDTHS["make"], 575), {"preset": preset}, links)}


HEIGHTS = {"SonicLabel": 225, "SonicCutOut": 160, "SonicLipAlign": 200, "SonicSmooth": 80, "SonicInterpolate": 110}


def finished(stages: list[tuple[str, str, dict[str, Any]]], clip: str = "sample") -> dict[str, Node]:
    """Finishing stages one below the other."""
    made, y = {}, 0
    for name, kind, widgets in stages:
        made[name] = Node(kind, (AT["finish"], y), (WIDTHS["finish"], HEIGHTS[kind]), widgets, {"clip": (clip, 0)})
        clip, y = name, y + HEIGHTS[kind] + ROW
    return made


def rendered(clip: str, x: int = AT["save"], height: int = 398, **widgets: Any) -> dict[str, Node]:
    return {"render": Node("SonicRenderVideo", (x, 0), (WIDTHS["save"], height), widgets, {"clip": (clip, 0)})}


def saved(prefix: str, x: int = AT["save"]) -> dict[str, Node]:
    widgets = {"filename_prefix": f"video/{prefix}"}
    return {"save": Node("SaveVideo", (x, 434), (WIDTHS["save"], BOTTOM - 434), widgets, {"video": ("render", 0)})}


def uploaded() -> dict[str, Node]:
    x, width = AT["save"], WIDTHS["save"]
    return {
        "upload": Node("SonicOSSUpload", (x, 434), (width, 130), {}, {"media": ("render", 0)}),
        "link": Node("PreviewAny", (x, 600), (width, BOTTOM - 600), {}, {"source": ("upload", 0)}, "Link"),
    }


NOTE_AT = (AT["make"], 650)


def talking(
    title: str,
    preset: str,
    stages: list[tuple[str, str, dict[str, Any]]],
    text: str,
    *,
    photo: Node = PICK_PHOTO,
    sound: Node = PICK_SOUND,
    more: dict[str, Node] | None = None,
    keep: dict[str, Node] | None = None,
    app: App | None = None,
    **prepare: Any,
) -> Workflow:
    """Photo and sound to a video: prepare, sample, the finishing stages, render, keep.

    `more` stands with what is loaded, and `keep` in place of Save Video; it may hold another Render Video.
    """
    nodes = {
        "model": LOAD_MODEL,
        "photo": photo,
        "sound": sound,
        **(more or {}),
        **prepared(("photo", 0), ("sound", 1 if sound.kind == "SonicOSSLoad" else 0), **prepare),
        **sampled(preset),
        **finished(stages),
        **rendered(stages[-1][0]),
        **(keep or saved("sonic")),
    }
    groups = [
        ("1  Inputs", COLOURS["input"], ["model", "photo", "sound", *(more or {})]),
        ("2  Face", COLOURS["model"], ["prepare", "seen"]),
        ("3  Motion", COLOURS["make"], ["sample"]),
        ("4  Finish", COLOURS["finish"], [name for name, _, _ in stages]),
        ("5  Video", COLOURS["save"], list(nodes)[list(nodes).index("render") :]),
    ]
    size = (WIDTHS["make"] + GAP + WIDTHS["finish"], BOTTOM - NOTE_AT[1])
    return Workflow(title, nodes, groups, [(NOTE_AT, size, note(text))], app)


LABEL = ("label", "SonicLabel", {})
NO_LABEL = ("label", "SonicLabel", {"visible": False})
APP = App(
    [
        ("photo", "image"),
        ("sound", "audio"),
        ("sample", "preset"),
        ("prepare", "framing"),
        ("sample", "mood"),
        ("prepare", "min_resolution"),
        ("sample", "dynamic_scale"),
        ("sample", "motion_scale"),
        ("sample", "seed"),
        ("label", "visible"),
    ],
    ["render"],
)


def photo_workflows() -> dict[str, Workflow]:
    """The workflows in which photos speak, by their names for clients: `submit --workflow fast` takes sonic_fast."""
    best = [("align", "SonicLipAlign", {}), ("smooth", "SonicSmooth", {}), LABEL]
    return {
        "sonic_fast": talking("Photo speaks, fast", "fast", [NO_LABEL], "fast"),
        "sonic_high_quality": talking(
            "Photo speaks, best quality", "high_quality", best, "best_quality", framing="photo"
        ),
        "sonic_app": talking("Photo speaks.app", "fast", [NO_LABEL], "app", app=APP),
        "sonic_transparent": talking(
            "Photo speaks, transparent background",
            "fast",
            [("cut", "SonicCutOut", {}), NO_LABEL],
            "transparent",
            keep=rendered("label", height=BOTTOM, format="webm", save_as="video/sonic"),
        ),
        "sonic_oss": talking(
            "Photo speaks, from storage and back",
            "fast",
            [LABEL],
            "storage",
            photo=stored(146, PHOTO, "Photo from storage"),
            sound=stored(334, SOUND, "Voice from storage"),
            keep=uploaded(),
        ),
        "sonic_batch": talking(
            "Photos of a folder speak, a video each",
            "fast",
            [NO_LABEL],
            "batch",
            photo=Node("SonicLoadPhotos", (0, 146), (WIDTHS["input"], 130), {"folder": "sonic_photos"}),
        ),
        "sonic_record": talking(
            "Photo speaks, voice recorded here",
            "fast",
            [NO_LABEL],
            "record",
            sound=Node("RecordAudio", (0, 486), (WIDTHS["input"], 130), {"audio": SOUND}),
        ),
        "sonic_text": talking(
            "Photo speaks, from a text",
            "fast",
            [NO_LABEL],
            "text",
            sound=Node("LoadAudio", (0, 662), (WIDTHS["input"], BOTTOM - 662), {"audio": SOUND}, title="Sample voice"),
            more={"text": WORDS},
        ),
    }
