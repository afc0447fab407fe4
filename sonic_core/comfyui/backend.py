"""A worker's engine that has a ComfyUI server make the videos, by a workflow of ours or of the operator.

The server's queue is in memory and it deletes nothing, so the lease stays with the worker, and photo, sound and video
go into the server's temp folder, which it empties when it starts. Knows no ledger and no store.
"""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

from sonic_core.cli.submit import AUDIO_INPUTS, IMAGE_INPUTS, fill, load_graph, main_video
from sonic_core.errors import InputError
from sonic_core.fleet.backends import Engine, EngineUnavailable, Task
from sonic_core.fleet.submission import NO_LABEL

if TYPE_CHECKING:
    from sonic_core.comfyui.client import Graph

logger = logging.getLogger(__name__)

# Whose widgets a job's settings set; a loader has a `trim` of its own that means something else.
SETTING_NODES = ("SONIC_PreData", "SonicSampler", "SonicLipAlign", "SonicInterpolate")


def comfyui_engine(server: str, workflow: str = "fast") -> Engine:
    """Makes videos on the server. Where it cannot be reached, EngineUnavailable: another try may help."""

    def make(task: Task) -> dict[str, float]:
        from sonic_core.comfyui.client import ComfyUI, ComfyUIUnreachable

        graph = without_copies(load_graph(workflow))
        apply_settings(graph, task.settings)
        try:
            with ComfyUI(server) as client:
                task.on_step("uploading", 0.0)
                folder = f"sonic-{task.job_id}"
                fill(graph, IMAGE_INPUTS, client.upload(task.image, folder, "temp"), "photo")
                fill(graph, AUDIO_INPUTS, client.upload(task.audio, folder, "temp"), "sound")
                # The nodes write it into the file's AIGC record. New for each attempt: the server remembers old ones.
                prompt_id = f"{task.job_id}-{uuid.uuid4().hex[:8]}"
                made = client.run(graph, lambda share, _: task.on_step("generating", 0.9 * share), prompt_id)
                task.on_step("fetching", 0.9)
                client.download(main_video(made), task.output)
        except ComfyUIUnreachable as error:
            raise EngineUnavailable(str(error)) from error
        return {}

    return make


def answers(server: str) -> bool:
    """Whether a ComfyUI is there at this moment."""
    from sonic_core.comfyui.client import ComfyUI, ComfyUIError

    try:
        with ComfyUI(server, timeout=5.0) as client:
            client.system()
    except ComfyUIError:
        return False
    return True


def without_copies(graph: Graph) -> Graph:
    """The graph without Save Video where Sonic: Render Video makes the file to fetch: no copy stays on the server."""
    if not any(node["class_type"] == "SonicRenderVideo" for node in graph.values()):
        return graph
    return {key: node for key, node in graph.items() if node["class_type"] != "SaveVideo"}


def apply_settings(graph: Graph, settings: dict[str, Any]) -> None:
    """Set the widgets that carry a setting's name. Raises InputError for a setting the workflow has no place for."""
    changes = {name: value for name, value in settings.items() if value is not None}
    label = changes.pop("label", None)
    if label is not None:
        _apply_label(graph, label)
    if "framing" in changes:
        changes["framing"] = _apply_framing(graph, changes["framing"])
    if "face_box" in changes:
        changes["face_box"] = " ".join(f"{side:g}" for side in changes["face_box"])  # a list would be a link
    for name, value in changes.items():
        widgets = [
            node["inputs"] for node in graph.values() if node["class_type"] in SETTING_NODES and name in node["inputs"]
        ]
        if not widgets:
            raise InputError(f"The workflow of this ComfyUI worker has no input {name!r}; leave the setting out.")
        for inputs in widgets:
            inputs[name] = value


def _apply_label(graph: Graph, label: str) -> None:
    nodes = [node["inputs"] for node in graph.values() if node["class_type"] == "SonicLabel"]
    if not nodes and label != NO_LABEL:
        raise InputError("The workflow of this ComfyUI worker puts no label on; add Sonic: AI Label to it.")
    for inputs in nodes:
        inputs["visible"] = label != NO_LABEL
        if label != NO_LABEL:
            inputs["language"] = label


def _apply_framing(graph: Graph, framing: str) -> str:
    """The node's framing for a setting's: `photo` is `face` and Sonic: Paste Back, which `face` alone does without."""
    pasting = [key for key, node in graph.items() if node["class_type"] == "SonicPasteBack"]
    if framing == "photo" and not pasting:
        raise InputError("The workflow of this ComfyUI worker does not paste back; use the workflow high_quality.")
    if framing == "face":
        for key in pasting:
            _bypass(graph, key)
    return "face" if framing == "photo" else framing


def _bypass(graph: Graph, key: str) -> None:
    """Take a node from clip to clip out; what it fed is fed by what fed it."""
    source = graph.pop(key)["inputs"]["clip"]
    for node in graph.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] == key:
                node["inputs"][name] = source
