"""What the bundled workflows consist of: their nodes, the places of these, the connections, and the notes.

Each stands in columns: photo and voice, face, motion, finish, video. Front ends draw them somewhat smaller, so that all
of a workflow is seen in a window of 1680 x 1000. Heights are those that Nodes 2.0 of front end 1.45.21 gives a node
after a run, with the row that says how long it took: the largest ones.
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
class Note:
    """A note: place and size on the canvas, Markdown; one with a title is folded until somebody opens it."""

    at: tuple[int, int]
    size: tuple[int, int]
    text: str
    title: str = ""


@dataclass(frozen=True)
class Workflow:
    title: str  # what the template browser shows: the name of the file
    nodes: dict[str, Node]
    groups: list[tuple[str, str, list[str]]]  # title, colour, names of the nodes in it
    notes: list[Note]
    app: App | None = None


PHOTO, SOUND = "sonic_portrait.jpg", "sonic_speech.flac"
GAP, ROW = 44, 40  # between columns, with the borders of two groups in it; between rows, with a title bar in it
UNDER = 60  # between a group and the note below it, with a title bar in it
BOTTOM = 1006
WIDTHS = {"input": 260, "model": 280, "make": 300, "finish": 300, "save": 260}
HEIGHTS = {
    "LoadAudio": 172,
    "LoadImage": 344,
    "LoadVideo": 386,
    "PrimitiveStringMultiline": 140,
    "RecordAudio": 136,
    "SONIC_PreData": 532,
    "SonicCutOut": 232,
    "SonicDialogue": 490,
    "SonicDub": 478,
    "SonicInterpolate": 140,
    "SonicLabel": 268,
    "SonicLipAlign": 280,
    "SonicLoadAudio": 456,
    "SonicLoadModel": 130,
    "SonicLoadPhotos": 196,
    "SonicOSSLoad": 196,
    "SonicOSSUpload": 172,
    "SonicRenderVideo": 544,
    "SonicSampler": 570,
    "SonicSmooth": 108,
    "SonicVideoToClip": 76,
}


def columns(*names: str) -> dict[str, int]:
    """Where each column begins."""
    places, x = {}, 0
    for name in names:
        places[name] = x
        x += WIDTHS[name] + GAP
    return places


AT = columns("input", "model", "make", "finish", "save")
LOAD_MODEL = Node("SonicLoadModel", (0, 0), (WIDTHS["input"], HEIGHTS["SonicLoadModel"]))
PHOTO_AT = HEIGHTS["SonicLoadModel"] + ROW
SOUND_AT = PHOTO_AT + HEIGHTS["LoadImage"] + ROW


def picked(kind: str, y: int, title: str = "", **widgets: Any) -> Node:
    """A node in the column of what is loaded."""
    return Node(kind, (0, y), (WIDTHS["input"], HEIGHTS[kind]), widgets, title=title)


PICK_PHOTO = picked("LoadImage", PHOTO_AT, image=PHOTO)
PICK_SOUND = picked("SonicLoadAudio", SOUND_AT, audio=SOUND)
SAID = "Hello! I was a photo until a moment ago. Now I can say whatever you write here."
WORDS = picked("PrimitiveStringMultiline", SOUND_AT, title="Text to say", value=SAID)


def stored(y: int, file: str, title: str) -> Node:
    return picked("SonicOSSLoad", y, title, source=f"inputs/comfyui/samples/{file}")


def prepared(photo: tuple[str, int], sound: tuple[str, int], **widgets: Any) -> dict[str, Node]:
    """Photo and sound made ready, and what was found in them."""
    links = {"model": ("model", 0), "image": photo, "audio": sound}
    top, height = 50, HEIGHTS["SONIC_PreData"]
    x, y, width = AT["model"], top + height + ROW, WIDTHS["model"]
    return {
        "prepare": Node("SONIC_PreData", (x, top), (width, height), widgets, links),
        "seen": Node("PreviewImage", (x, y), (width, BOTTOM - y), {}, {"images": ("prepare", 1)}),
    }


def sampled(preset: str) -> dict[str, Node]:
    links = {"model": ("model", 0), "predata": ("prepare", 0)}
    size = (WIDTHS["make"], HEIGHTS["SonicSampler"])
    return {"sample": Node("SonicSampler", (AT["make"], 0), size, {"preset": preset}, links)}


def finished(stages: list[tuple[str, str, dict[str, Any]]], clip: str = "sample") -> dict[str, Node]:
    """Finishing stages one below the other."""
    made, y = {}, 0
    for name, kind, widgets in stages:
        made[name] = Node(kind, (AT["finish"], y), (WIDTHS["finish"], HEIGHTS[kind]), widgets, {"clip": (clip, 0)})
        clip, y = name, y + HEIGHTS[kind] + ROW
    return made


KEEP_AT = HEIGHTS["SonicRenderVideo"] + ROW


def rendered(clip: str, x: int = AT["save"], height: int = KEEP_AT - ROW, **widgets: Any) -> dict[str, Node]:
    return {"render": Node("SonicRenderVideo", (x, 0), (WIDTHS["save"], height), widgets, {"clip": (clip, 0)})}


def saved(prefix: str, x: int = AT["save"]) -> dict[str, Node]:
    size = (WIDTHS["save"], BOTTOM - KEEP_AT)
    return {
        "save": Node("SaveVideo", (x, KEEP_AT), size, {"filename_prefix": f"video/{prefix}"}, {"video": ("render", 0)})
    }


def uploaded() -> dict[str, Node]:
    x, width, height = AT["save"], WIDTHS["save"], HEIGHTS["SonicOSSUpload"]
    y = KEEP_AT + height + ROW
    return {
        "upload": Node("SonicOSSUpload", (x, KEEP_AT), (width, height), {}, {"media": ("render", 0)}),
        "link": Node("PreviewAny", (x, y), (width, BOTTOM - y), {}, {"source": ("upload", 0)}, "Link"),
    }


def below(nodes: list[Node]) -> int:
    """Where a note begins that stands under these."""
    return max(node.at[1] + node.size[1] for node in nodes) + UNDER


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
    files: bool = False,
    **prepare: Any,
) -> Workflow:
    """Photo and sound to a video: prepare, sample, the finishing stages, render, keep.

    `more` stands with what is loaded, and `keep` in place of Save Video; it may hold another Render Video.
    `files` adds the list of the released model's files.
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
    x, y = AT["make"], below([nodes["sample"], *(nodes[name] for name, _, _ in stages)])
    notes = [Note((x, y), (WIDTHS["make"] + GAP + WIDTHS["finish"], BOTTOM - y), note(text))]
    if files:  # in the free place above the group of Prepare
        notes.append(Note((AT["model"], -30), (WIDTHS["model"], 160), note("files"), "Files for sonic"))
    return Workflow(title, nodes, groups, notes, app)


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
            "Photo speaks, best quality", "high_quality", best, "best_quality", files=True, framing="photo"
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
            photo=stored(PHOTO_AT, PHOTO, "Photo from storage"),
            sound=stored(PHOTO_AT + HEIGHTS["SonicOSSLoad"] + ROW, SOUND, "Voice from storage"),
            keep=uploaded(),
        ),
        "sonic_batch": talking(
            "Photos of a folder speak, a video each",
            "fast",
            [NO_LABEL],
            "batch",
            photo=picked("SonicLoadPhotos", PHOTO_AT, folder="sonic_photos"),
        ),
        "sonic_record": talking(
            "Photo speaks, voice recorded here",
            "fast",
            [NO_LABEL],
            "record",
            sound=picked("RecordAudio", SOUND_AT, audio=SOUND),
        ),
        "sonic_text": talking(
            "Photo speaks, from a text",
            "fast",
            [NO_LABEL],
            "text",
            sound=picked("LoadAudio", SOUND_AT + WORDS.size[1] + ROW, "Sample voice", audio=SOUND),
            more={"text": WORDS},
        ),
    }
