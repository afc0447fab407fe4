"""The bundled workflows that begin with a video, and the one in which two people speak."""

from __future__ import annotations

from dataclasses import replace

from workflow_notes import note
from workflow_plans import (
    BOTTOM,
    COLOURS,
    GAP,
    LOAD_MODEL,
    PICK_PHOTO,
    ROW,
    SOUND,
    Node,
    Workflow,
    finished,
    rendered,
    saved,
)

INPUT, WORK = 280, 300
FIRST, SECOND, THIRD = 0, INPUT + GAP, INPUT + WORK + 2 * GAP
PICK_VIDEO = Node("LoadVideo", (0, 0), (INPUT, 358), {"file": "sonic_video.mp4"})  # the classic renderer needs 348
VOICE_HEIGHT = 344  # with the widget for a delay


def video_workflows() -> dict[str, Workflow]:
    return {"sonic_dub": dub(), "sonic_dialogue": dialogue(), "sonic_any_video": any_video()}


def voice(at: tuple[int, int], **widgets: float) -> Node:
    return Node("SonicLoadAudio", at, (INPUT, VOICE_HEIGHT), {"audio": SOUND, **widgets})


def result(x: int, prefix: str, clip: str) -> dict[str, Node]:
    return rendered(clip, x) | saved(prefix, x)


def dub() -> Workflow:
    """A video that gets another voice."""
    third, fourth = 2 * (INPUT + GAP), 2 * (INPUT + GAP) + WORK + GAP
    links = {"model": ("model", 0), "video": ("video", 0), "audio": ("sound", 0)}
    nodes = {
        "model": replace(LOAD_MODEL, size=(INPUT, 110)),
        "video": replace(PICK_VIDEO, at=(SECOND, 0)),
        "sound": voice((0, 110 + ROW)),
        "dub": Node("SonicDub", (third, 0), (WORK, 380), {}, links),
        "people": Node("PreviewImage", (third, 380 + ROW), (WORK, BOTTOM - 380 - ROW), {}, {"images": ("dub", 1)}),
        **result(fourth, "dub", "dub"),
    }
    groups = [
        ("1  Inputs", COLOURS["input"], ["model", "video", "sound"]),
        ("2  Dub", COLOURS["make"], ["dub", "people"]),
        ("3  Result", COLOURS["save"], ["render", "save"]),
    ]
    notes = [((0, 600), (2 * INPUT + GAP, BOTTOM - 600), note("dub"))]
    return Workflow("A video speaks with another voice", nodes, groups, notes)


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
        "left": replace(PICK_PHOTO, at=(SECOND, 0), size=(WORK, 314), title="Photo on the left"),
        "right": replace(PICK_PHOTO, at=(SECOND, 314 + ROW), size=(WORK, 314), title="Photo on the right"),
        "model": replace(LOAD_MODEL, at=(third, 0), size=(WORK, 110)),
        "talk": Node("SonicDialogue", (third, 125 + ROW), (WORK, 405), {"preset": "fast"}, links),
        **result(fourth, "dialogue", "talk"),
    }
    groups = [
        ("1  Voices", COLOURS["input"], ["first", "second"]),
        ("2  Photos", COLOURS["model"], ["left", "right"]),
        ("3  Dialogue", COLOURS["make"], ["model", "talk"]),
        ("4  Result", COLOURS["save"], ["render", "save"]),
    ]
    return Workflow("Two people speak", nodes, groups, [((third, 635), (WORK, BOTTOM - 635), note("dialogue"))])


def any_video() -> Workflow:
    """A video of any pack, mended: nothing of it comes from our models."""
    stages = [
        ("align", "SonicLipAlign", {}),
        ("smooth", "SonicSmooth", {}),
        ("resample", "SonicInterpolate", {"fps": 50.0}),
    ]
    nodes = {
        "video": PICK_VIDEO,
        "clip": Node("SonicVideoToClip", (0, 358 + ROW), (INPUT, 60), {}, {"video": ("video", 0)}),
        **{name: replace(node, at=(SECOND, node.at[1])) for name, node in finished(stages, "clip").items()},
        **result(THIRD, "finished", "resample"),
    }
    groups = [
        ("1  Video", COLOURS["input"], ["video", "clip"]),
        ("2  Finish", COLOURS["finish"], [name for name, _, _ in stages]),
        ("3  Result", COLOURS["save"], ["render", "save"]),
    ]
    notes = [((0, 560), (INPUT + GAP + WORK, BOTTOM - 560), note("any_video"))]
    return Workflow("Any video, lips aligned and smoothed", nodes, groups, notes)
