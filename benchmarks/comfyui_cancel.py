"""How soon a real ComfyUI hears a cancel, in each node that works for long.

    python benchmarks/comfyui_cancel.py http://127.0.0.1:8188 --seconds 300

The sample speech is repeated to `--seconds` and uploaded. Each node is cancelled at several moments after it began.
"heard" is the time from the request until the run has ended, by the server's own record. After that ComfyUI collects
Python's garbage, and answers nobody meanwhile. "next" is the time until a node of ours in a run queued right after it
has ended: that one waits for the collecting and for whatever the cancelled node left behind. All of it is wall time, so
the load is printed as well.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from benchmarks.repeated import repeated
from sonic_core.clip import Audio
from sonic_core.comfyui.client import ComfyUI
from sonic_core.comfyui.graph import load_graph
from sonic_core.media.audio import load_audio

SAMPLES = Path(__file__).parents[1] / "web" / "samples"
SIZE, FPS = 128, 2.0  # small and few pictures, so that a long sound is what takes the time
MOMENTS = (0.3, 1.5, 4.0)  # seconds after the node began; skipped where it has ended by then
STAGES = ("SonicSmooth", "SonicInterpolate", "SonicCutOut")
NODES = (
    "SonicLoadAudio",
    "SONIC_PreData",
    "SonicSampler",
    "SonicLipAlign",
    "SonicEvaluate",
    "SonicClipToImages",
    "SonicRenderVideo",
    "SonicRenderVideo behind " + ", ".join(STAGES),
    "SonicDialogue",
    "SonicDub",
)
WIDGETS: dict[str, dict[str, Any]] = {
    "SonicLipAlign": {"measure": True, "lip_sync_offset": 0.0, "move": "sound"},
    "SonicEvaluate": {},
    "SonicClipToImages": {"start": 0, "count": 0},
    "SonicSmooth": {"strength": 1.0},
    "SonicInterpolate": {"fps": 4.0, "method": "auto"},
    "SonicCutOut": {"background": "green", "colour": "#ffffff"},
}


@dataclass
class Server:
    client: ComfyUI
    socket: ClientConnection

    def began(self, prompt_id: str, node: str) -> bool:
        """Wait until a node of a prompt begins; False when the prompt ends without."""
        while True:
            message = self.socket.recv()
            if isinstance(message, bytes):  # a preview
                continue
            said = json.loads(message)
            data = said.get("data", {})
            if data.get("prompt_id") == prompt_id and said["type"] == "executing":
                if data.get("node") == node:
                    return True
                if data.get("node") is None:
                    return False
            if data.get("prompt_id") == prompt_id and said["type"] in ("execution_error", "execution_success"):
                return False

    def cancelled_at(
        self, graph: dict[str, Any], node: str, moment: float, probe: dict[str, Any]
    ) -> tuple[float, float] | None:
        """(heard, next) in seconds of a prompt that is cancelled `moment` seconds after `node` began.

        None if the node was not at work any more.
        """
        prompt_id = self.client.queue(graph)
        if not self.began(prompt_id, node):
            raise SystemExit(f"{graph[node]['class_type']} never began: {self.client.history(prompt_id)}")
        time.sleep(moment)
        cancelled = time.time()
        httpx.post(f"{self.client.url}/interrupt", json={"prompt_id": prompt_id}, timeout=60)
        while self.client.waiting():
            time.sleep(0.01)
        ended = self.client.history(prompt_id) or {"status": {"messages": []}}
        stopped = dict(ended["status"]["messages"]).get("execution_interrupted")
        if stopped is None or stopped["node_id"] != node:
            return None
        following = self.client.queue(probe)
        while self.client.history(following) is None:
            time.sleep(0.01)
        return stopped["timestamp"] / 1000 - cancelled, time.time() - cancelled


def graph_of(kind: str, sound: str) -> tuple[dict[str, Any], str]:
    """A graph in which a node works on a long sound, and the id of that node."""
    kind, _, behind = kind.partition(" behind ")
    graph = load_graph({"SonicDialogue": "dialogue", "SonicDub": "dub"}.get(kind, "fast"))
    ids = {node["class_type"]: key for key, node in graph.items()}
    changes = {"audio": sound, "trim": 0.0, "min_resolution": SIZE, "fps": FPS, "normalise": True}
    for node in graph.values():
        for name, value in changes.items():
            if name in node["inputs"] and not isinstance(node["inputs"][name], list | bool):
                node["inputs"][name] = value
    graph[ids["SonicLoadAudio"]]["inputs"]["normalise"] = True
    if kind in ids:
        clip = graph[ids["SonicRenderVideo"]]["inputs"]["clip"]
        for stage in filter(None, behind.split(", ")):
            graph[stage] = {"class_type": stage, "inputs": {"clip": clip, **WIDGETS[stage]}}
            clip = [stage, 0]
        graph[ids["SonicRenderVideo"]]["inputs"]["clip"] = clip
        return graph, ids[kind]
    graph[kind] = {"class_type": kind, "inputs": {"clip": [ids["SonicSampler"], 0], **WIDGETS[kind]}}
    graph["shown"] = {"class_type": "PreviewAny", "inputs": {"source": [kind, 1 if kind == "SonicLipAlign" else 0]}}
    for key in (ids["SonicRenderVideo"], ids["SaveVideo"], ids["SonicLabel"]):
        del graph[key]
    return graph, kind


def probe_of(sound: str, gain: float) -> dict[str, Any]:
    """A graph whose one node of ours does hardly anything; another `gain` each time keeps it out of the cache."""
    widgets = {"start": 0.0, "trim": 0.2, "normalise": False, "gain": gain, "channel": "as it is", "delay": 0.0}
    return {
        "1": {"class_type": "SonicLoadAudio", "inputs": {"audio": sound, **widgets}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 1]}},
    }


def write_wav(sound: Audio, path: Path) -> None:
    import soundfile

    soundfile.write(path, sound.samples.T, sound.rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("--seconds", type=float, default=300.0, help="of sound")
    parser.add_argument("--only", nargs="*", default=NODES, help="names of nodes")
    args = parser.parse_args()
    speech = load_audio(SAMPLES / "sonic_speech.flac")
    with ComfyUI(args.server) as client, tempfile.TemporaryDirectory() as folder:
        files = {}
        for name, seconds in (("cancel_long", args.seconds), ("cancel_short", 1.0)):
            path = Path(folder) / f"{name}.wav"
            write_wav(repeated(speech, seconds), path)
            files[name] = client.upload(path)
        for name in ("sonic_portrait.jpg", "sonic_video.mp4"):
            client.upload(SAMPLES / name)
        version = client.system()["system"]["comfyui_version"]
        print(f"ComfyUI {version}, {args.seconds:g} s of sound, {os.cpu_count()} cores")
        address = "ws" + args.server.removeprefix("http") + f"/ws?clientId={client.client_id}"
        with connect(address, max_size=2**26) as socket:
            measure(Server(client, socket), args.only, files)


def measure(server: Server, kinds: list[str], files: dict[str, str]) -> None:
    tries = 0
    for kind in kinds:
        found = []
        for moment in MOMENTS:
            graph, node = graph_of(kind, files["cancel_long"])
            tries += 1
            took = server.cancelled_at(graph, node, moment, probe_of(files["cancel_short"], tries / 10))
            if took is None:
                break
            found.append(took)
        if not found:
            print(f"{kind}: ended before it could be cancelled", flush=True)
            continue
        heard, after = (", ".join(f"{value:.2f}" for value in column) for column in zip(*found, strict=True))
        print(f"{kind}: heard after {heard} s; next ended after {after} s; load {os.getloadavg()[0]:.0f}", flush=True)


if __name__ == "__main__":
    main()
