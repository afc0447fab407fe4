"""The bundled workflows that begin with a video, and the one in which two people speak."""

from __future__ import annotations

from dataclasses import replace

from workflow_notes import note
from workflow_plans import (
    BOTTOM,
    COLOURS,
    GAP,
    HEIGHTS,
    LOAD_MODEL,
    PICK_PHOTO,
    ROW,
    SOUND,
    Node,
    Note,
    Workflow,
    below,
    finished,
    rendered,
    saved,
)

INPUT, WORK = 280, 340
FIRST, SECOND, THIRD = 0, INPUT + GAP, INPUT + WORK + 2 * GAP
PICK_VIDEO = Node("LoadVideo", (0, 0), (INPUT, HEIGHTS["LoadVideo"]), {"file": "sonic_video.mp4"})
MODEL_HEIGHT, VOICE_HEIGHT, PHOTO_HEIGHT = HEIGHTS["SonicLoadModel"], HEIGHTS["SonicLoadAudio"], HEIGHTS["LoadImage"]


def video_workflows() -> dict[str, Workflow]:
    return {"sonic_dub": dub(), "sonic_dialogue": dialogue(), "sonic_any_video": any_video()}


def voice(at: tuple[int, int], **widgets: float) -> Node:
    return Node("SonicLoadAudio", at, (INPUT, VOICE_HEIGHT), {"audio": SOUND, **widgets})


def result(x: int, prefix: str, clip: str) -> dict[str, Node]:
    return rendered(clip, x) | saved(prefix, x)


def dub() -> Workflow:
    """A video that gets another voice."""
    third, fourth = 2 * (INPUT + GAP), 2 * (INPUT + GAP) + WORK + GAP
    height, y = HEIGHTS["SonicDub"], HEIGHTS["SonicDub"] + ROW
    links = {"model": ("model", 0), "video": ("video", 0), "audio": ("sound", 0)}
    nodes = {
        "model": replace(LOAD_MODEL, size=(INPUT, MODEL_HEIGHT)),
        "video": replace(PICK_VIDEO, at=(SECOND, 0)),
        "sound": voice((0, MODEL_HEIGHT + ROW)),
        "dub": Node("SonicDub", (third, 0), (WORK, height), {}, links),
        "people": Node("PreviewImage", (third, y), (WORK, BOTTOM - y), {}, {"images": ("dub", 1)}),
        **result(fourth, "dub", "dub"),
    }
    groups = [
        ("1  Inputs", COLOURS["input"], ["model", "video", "sound"]),
        ("2  Dub", COLOURS["make"], ["dub", "people"]),
        ("3  Result", COLOURS["save"], ["render", "save"]),
    ]
    under = below([nodes["sound"], nodes["video"]])
    beside = Note((0, under), (2 * INPUT + GAP, BOTTOM - under), note("dub"))
    return Workflow("A video speaks with another voice", nodes, groups, [beside])


def dialogue() -> Workflow:
    """Two photos side by side, a voice each."""
    third, fourth = THIRD, THIRD + WORK + GAP
    links = {
        "model": ("model", 0),
        "image": ("left", 0),
        "image_right": ("right", 0),
        "audio_left": ("first", 0),
        "audio_right": ("second", 0),
    }
    nodes = {
        "first": replace(voice((0, 0), trim=3.5), title="Voice on the left"),
        "second": replace(voice((0, VOICE_HEIGHT + ROW), start=3.7, delay=3.7), title="Voice on the right, after it"),
        "left": replace(PICK_PHOTO, at=(SECOND, 0), size=(WORK, PHOTO_HEIGHT), title="Photo on the left"),
        "right": replace(
            PICK_PHOTO, at=(SECOND, PHOTO_HEIGHT + ROW), size=(WORK, PHOTO_HEIGHT), title="Photo on the right"
        ),
        "model": replace(LOAD_MODEL, at=(third, 0), size=(WORK, MODEL_HEIGHT)),
        "talk": Node(
            "SonicDialogue", (third, MODEL_HEIGHT + ROW), (WORK, HEIGHTS["SonicDialogue"]), {"preset": "fast"}, links
        ),
        **result(fourth, "dialogue", "talk"),
    }
    groups = [
        ("1  Voices", COLOURS["input"], ["first", "second"]),
        ("2  Photos", COLOURS["model"], ["left", "right"]),
        ("3  Dialogue", COLOURS["make"], ["model", "talk"]),
        ("4  Result", COLOURS["save"], ["render", "save"]),
    ]
    under = below([nodes["talk"]])
    beside = Note((third, under), (WORK, BOTTOM - under), note("dialogue"))
    return Workflow("Two people speak", nodes, groups, [beside])


def any_video() -> Workflow:
    """A video of any pack, mended: nothing of it comes from our models."""
    stages = [
        ("align", "SonicLipAlign", {}),
        ("smooth", "SonicSmooth", {}),
        ("resample", "SonicInterpolate", {"fps": 50.0}),
    ]
    nodes = {
        "video": PICK_VIDEO,
        "clip": Node(
            "SonicVideoToClip",
            (0, HEIGHTS["LoadVideo"] + ROW),
            (INPUT, HEIGHTS["SonicVideoToClip"]),
            {},
            {"video": ("video", 0)},
        ),
        **{
            name: replace(node, at=(SECOND, node.at[1]), size=(WORK, node.size[1]))
            for name, node in finished(stages, "clip").items()
        },
        **result(THIRD, "finished", "resample"),
    }
    groups = [
        ("1  Video", COLOURS["input"], ["video", "clip"]),
        ("2  Finish", COLOURS["finish"], [name for name, _, _ in stages]),
        ("3  Result", COLOURS["save"], ["render", "save"]),
    ]
    under = below([nodes["clip"], nodes["resample"]])
    beside = Note((0, under), (INPUT + GAP + WORK, BOTTOM - under), note("any_video"))
    return Workflow("Any video, lips aligned and smoothed", nodes, groups, [beside])
