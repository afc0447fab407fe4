"""A worker's engine that has a ComfyUI server make the videos, by a workflow of ours or of the operator.

The server's queue is in memory and it deletes nothing, so the lease stays with the worker, and photo, sound and video
go into the server's temp folder, which it empties when it starts. Knows no ledger and no store.
"""

from __future__ import annotations

import logging
from pathlib import Path

from sonic_core.comfyui.graph import (
    AUDIO_INPUTS,
    BACKGROUND,
    IMAGE_INPUTS,
    VIDEO_INPUTS,
    apply_request,
    dialogue_graph,
    fill,
    load_graph,
    main_video,
    without_copies,
)
from sonic_core.errors import InputError
from sonic_core.fleet.backends import Engine, EngineUnavailable, Task
from sonic_core.media.probe import probe

logger = logging.getLogger(__name__)


def comfyui_engine(server: str, workflow: str = "fast") -> Engine:
    """Makes videos on the server. Where it cannot be reached, EngineUnavailable: another try may help."""

    def make(task: Task) -> dict[str, float]:
        from sonic_core.comfyui.client import ComfyUI, ComfyUIUnreachable

        several = task.request.settings.voices == "channels"
        if several and (sound := probe(task.audio, "audio").sound) is not None and sound.channels != 2:
            raise InputError(f"A ComfyUI worker makes dialogues of two; the sound has {sound.channels} channels.")
        if task.dubs and several:
            raise InputError("A ComfyUI worker dubs a video with one voice; leave voices out, or use a core worker.")
        graph = load_graph("dub") if task.dubs else dialogue_graph() if several else load_graph(workflow)
        graph = without_copies(graph)
        apply_request(graph, task.request)
        try:
            with ComfyUI(server) as client:
                task.report("uploading", 0.0)
                folder = f"sonic-{task.job_id}"
                places, what = (VIDEO_INPUTS, "video") if task.dubs else (IMAGE_INPUTS, "photo")
                fill(graph, places, [client.upload(task.picture, folder, "temp")], what)
                if BACKGROUND in graph:
                    behind = Path(str(task.request.finishing.background))
                    graph[BACKGROUND]["inputs"]["image"] = client.upload(behind, folder, "temp")
                fill(graph, AUDIO_INPUTS, [client.upload(task.audio, folder, "temp")], "sound")
                made = client.run(graph, task.stage("generating", 0.0, 0.9), task.job_id)
                task.report("fetching", 0.9)
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
