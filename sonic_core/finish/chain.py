"""The finishing stages in their one order, for the command line, workers and the library alike.

The bundled ComfyUI workflows follow the same order (a test compares them); on the canvas a user may wire another.
"""

from __future__ import annotations

from collections.abc import Callable

from sonic_core.clip import Clip
from sonic_core.disclosure.label import RECORD_KEY, VisibleLabel, label, shown_on
from sonic_core.face.tracker import FaceTracker
from sonic_core.finish.alpha import cut_out_video
from sonic_core.finish.background import on_background
from sonic_core.finish.canvas import canvas
from sonic_core.finish.smooth import smooth
from sonic_core.finishing import Finishing, parse_canvas

Stage = Callable[[Clip], Clip]

# The person is cut out while frames and photo still lie on one another. Smoothing looks at the small square, before it
# is pasted into a large photo. Frames are resampled in time before they are in space; the background fills the canvas;
# what is written into the picture is neither smoothed nor scaled.
ORDER = ("cut_out", "smooth", "paste_back", "interpolate", "canvas", "background", "label", "record")


def unchanged(clip: Clip) -> Clip:
    """The stage of a step that was not asked for."""
    return clip


def finished(
    clip: Clip,
    wanted: Finishing,
    *,
    paste_back: Stage = unchanged,
    interpolate: Stage = unchanged,
    job_id: str = "",
) -> Clip:
    """The clip after all stages that `wanted` asks for.

    `paste_back` and `interpolate` come from the caller, who has the photo or the network they need. A record that the
    clip has already says more than a new one, and stays; a new one names `job_id`.
    """
    stages: dict[str, Stage] = {
        "cut_out": lambda clip: clip if wanted.background is None else cut_out_video(clip),
        "smooth": lambda clip: smooth(clip, wanted.smooth),
        "paste_back": paste_back,
        "interpolate": interpolate,
        "canvas": lambda clip: on_canvas(clip, wanted),
        "background": lambda clip: clip if wanted.background is None else on_background(clip, wanted.background),
        "label": lambda clip: labelled(clip, wanted),
        "record": lambda clip: recorded(clip, job_id) if wanted.record else clip,
    }
    for name in ORDER:
        clip = stages[name](clip)
    return clip


def on_canvas(clip: Clip, wanted: Finishing) -> Clip:
    """The clip on the canvas that was asked for; "fill" looks for the face in the first frame."""
    if wanted.canvas is None:
        return clip
    face = face_box(clip) if wanted.canvas_mode == "fill" else None
    return canvas(clip, parse_canvas(wanted.canvas), wanted.canvas_mode, face)


def labelled(clip: Clip, wanted: Finishing) -> Clip:
    """The clip with the visible label that was asked for."""
    if wanted.words is None:
        return clip
    return shown_on(clip, VisibleLabel(wanted.words, wanted.label_seconds or None, corner=wanted.label_corner))


def recorded(clip: Clip, job_id: str) -> Clip:
    """The clip with an AI record that names the job, unless it has a record."""
    return clip if RECORD_KEY in clip.metadata else label(clip, job_id=job_id)


def face_box(clip: Clip) -> tuple[float, float, float, float] | None:
    """(x1, y1, x2, y2) of the face in the first frame, None when there is none."""
    landmarks = FaceTracker()(next(clip.frames()))
    if landmarks is None:
        return None
    (x1, y1), (x2, y2) = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    return float(x1), float(y1), float(x2), float(y2)
