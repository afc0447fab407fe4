"""Writes docs/comfyui_api.md: what every bundled workflow takes from a client, with ranges and meanings.

    python tools/make_api_page.py

A test compares the file with what this makes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import stand_in
from make_workflows import api_format
from schemas import CORE, inputs_of, is_widget
from workflow_plans import Workflow, photo_workflows
from workflow_videos import video_workflows

from sonic_core.comfyui.graph import AUDIO_INPUTS, IMAGE_INPUTS, VIDEO_INPUTS

FILE = stand_in.ROOT / "docs" / "comfyui_api.md"
FILES = {"--image": IMAGE_INPUTS, "--audio": AUDIO_INPUTS, "--video": VIDEO_INPUTS}
HEAD = """# Inputs of the bundled workflows

What a client may change in the workflows of `workflows/api/`, made by `tools/make_api_page.py` from the nodes
themselves. An input is named `node.input`, as `submit --set` and the JSON have it:

- `python -m sonic_core submit --workflow dub --video talk.mp4 --audio voice.mp3 --output dubbed.mp4 --set 4.person=1`
- in JSON: `graph["4"]["inputs"]["person"] = 1`, then `POST /prompt` with `{"prompt": graph}`.

`python -m sonic_core submit --list` names the workflows, `submit --list --workflow dub` prints one with its values. A
server says the same of single nodes at `GET /object_info/SonicDub`. A value that does not fit is answered with a
sentence in `node_errors` before anything runs (status 400; 200 where another output of the workflow is still valid:
what is valid then runs, and `submit` cancels it). Files are uploaded with `POST /upload/image` first (field
`image`, sounds and videos too) and named by what it answers.
"""


def section(name: str, workflow: Workflow) -> list[str]:
    graph = api_format(workflow)
    options = [
        f"`{option}`{f' (one, or {count})' if count > 1 else ''}"
        for option, places in FILES.items()
        if (count := sum(node["class_type"] in places for node in graph.values()))
    ]
    files = {(kind, entry) for places in FILES.values() for kind, entry in places.items()}
    lines = [f"## {name.removeprefix('sonic_')}", "", f"*{workflow.title.removesuffix('.app')}*"]
    lines += ["", f"Files: {', '.join(options) or 'none of yours; sources are named below'}.", ""]
    lines += ["| input | node | value | allowed | meaning |", "| --- | --- | --- | --- | --- |"]
    for key, node in graph.items():
        if node["class_type"] in CORE:
            continue
        for entry, (kind, given) in inputs_of(node["class_type"]).items():
            if is_widget(kind) and (node["class_type"], entry) not in files:
                value = node["inputs"][entry]
                shown = f"`{value}`" if value != "" else "empty"
                meaning = str(given.get("tooltip", "")).replace("|", "\\|")
                cells = [f"`{key}.{entry}`", node["_meta"]["title"], shown, allowed(entry, kind, given), meaning]
                lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def allowed(entry: str, kind: str, given: dict[str, Any]) -> str:
    if kind in ("INT", "FLOAT"):
        return f"{given['min']:g} to {given['max']:g}"
    if kind == "BOOLEAN":
        return "true, false"
    if kind == "COMBO" and entry == "model":
        return "lite, sonic, sonic/FOLDER"
    if kind == "COMBO" and entry == "folder":
        return "a folder in the input folder"
    return ", ".join(given["options"]) if kind == "COMBO" else "text"


def rendered() -> dict[Path, str]:
    stand_in.start()
    lines = [HEAD]
    for name, workflow in (photo_workflows() | video_workflows()).items():
        lines += section(name, workflow)
    return {FILE: "\n".join(lines).rstrip() + "\n"}


def main() -> None:
    for path, text in rendered().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
