"""A client of a ComfyUI server: upload, queue, watch, cancel, download, over its HTTP API and websocket.

Knows the server's protocol and no workflow. A broken websocket is not an error: the history says how a prompt ended.
Needs the extra `fleet` (httpx, websockets).
"""

from __future__ import annotations

import json
import mimetypes
import os
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from sonic_core.comfyui import JOB_KEY
from sonic_core.errors import SonicError
from sonic_core.media.files import existing_file, written_whole
from sonic_core.progress import OnStep

Graph = dict[str, dict[str, Any]]  # API format: node id -> class_type, inputs
PARTS = 1000  # of a prompt, in which progress is counted

OUTPUT_KEYS = ("images", "gifs", "video", "audio")
POLL_SECONDS = 1.0


class ComfyUIError(SonicError):
    """The server cannot be reached, refused a prompt, or a prompt failed."""


class ComfyUIUnreachable(ComfyUIError):
    """The server does not answer, or it ended and forgot its prompts: trying again may help."""


@dataclass(frozen=True)
class OutputFile:
    """A file that a node of a finished prompt made."""

    node: str
    filename: str
    subfolder: str
    type: str  # output, temp or input


class ComfyUI:
    """One server. Every call raises ComfyUIError with one sentence when the server does not do it."""

    def __init__(self, url: str, timeout: float = 30.0):
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ComfyUIError(f"server {url!r} is not an address; give one like http://127.0.0.1:8188")
        self.url = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
        self.client_id = uuid.uuid4().hex
        self._http = httpx.Client(base_url=self.url, timeout=timeout)

    def __enter__(self) -> ComfyUI:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def system(self) -> dict[str, Any]:
        """Version, devices and memory; the cheapest call, for health checks."""
        return self._json("GET", "/system_stats")

    def waiting(self) -> int:
        """How many prompts run or wait."""
        queue = self._json("GET", "/queue")
        return len(queue["queue_running"]) + len(queue["queue_pending"])

    def upload(self, path: str | os.PathLike[str], subfolder: str = "", place: str = "input") -> str:
        """Put a file into the server's folder `place` (input or temp); the name a graph refers to it by."""
        file = existing_file(path, "file")
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        with file.open("rb") as content:
            answer = self._json(
                "POST",
                "/upload/image",
                files={"image": (file.name, content, kind)},
                data={"subfolder": subfolder, "type": place},
            )
        name = f"{answer['subfolder']}/{answer['name']}" if answer["subfolder"] else str(answer["name"])
        return name if place == "input" else f"{name} [{place}]"

    def queue(self, graph: Graph, job_id: str = "") -> str:
        """Queue a graph for a job; its prompt id. Raises ComfyUIError with the first thing the server found wrong."""
        body: dict[str, Any] = {"prompt": graph, "client_id": self.client_id}
        if job_id:  # not as prompt_id: newer cores take UUIDs only
            body["extra_data"] = {"extra_pnginfo": {JOB_KEY: job_id}}
        answer = self._json("POST", "/prompt", json=body)
        if answer.get("node_errors"):  # some outputs are valid, and queued: not what was asked for
            self.cancel(answer["prompt_id"])
            raise ComfyUIError(_refusal(answer))
        return str(answer["prompt_id"])

    def run(self, graph: Graph, on_step: OnStep | None = None, job_id: str = "") -> list[OutputFile]:
        """Queue a graph, watch it to its end and say what it made. Raising from `on_step` cancels it."""
        with self._socket() as socket:
            prompt_id = self.queue(graph, job_id)
            try:
                self._watch(socket, prompt_id, len(graph), on_step)
            except ComfyUIUnreachable:
                raise
            except BaseException:
                self.cancel(prompt_id)
                raise
        return self.outputs(prompt_id)

    def cancel(self, prompt_id: str) -> None:
        """Stop a prompt, running or waiting; nothing happens when it has ended."""
        self._json("POST", "/queue", json={"delete": [prompt_id]})
        running = self._json("GET", "/queue")["queue_running"]
        if any(item[1] == prompt_id for item in running):
            self._json("POST", "/interrupt", json={"prompt_id": prompt_id})

    def outputs(self, prompt_id: str) -> list[OutputFile]:
        """The files of a finished prompt. Raises ComfyUIError when it failed or was cancelled."""
        record = self._ended(prompt_id)
        if record is None:
            raise ComfyUIError(f"prompt {prompt_id} has not ended on {self.url}")
        return [
            OutputFile(node, item["filename"], item.get("subfolder", ""), item.get("type", "output"))
            for node, made in record["outputs"].items()
            for key in OUTPUT_KEYS
            for item in made.get(key, [])
            if isinstance(item, dict) and "filename" in item
        ]

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        """What the server keeps of a prompt that has ended, however it ended; None before that."""
        record = self._json("GET", f"/history/{prompt_id}").get(prompt_id)
        return None if record is None else dict(record)

    def download(self, file: OutputFile, path: str | os.PathLike[str]) -> Path:
        """Fetch a file; the path holds all of it or is not made."""
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        with written_whole(path) as temporary, temporary.open("wb") as target:
            try:
                with self._http.stream("GET", "/view", params=query) as answer:
                    if answer.status_code != 200:
                        raise ComfyUIError(f"{self.url} does not give {file.filename!r} (status {answer.status_code})")
                    for block in answer.iter_bytes():
                        target.write(block)
            except httpx.HTTPError as error:
                raise self._no_answer(error) from error
        return Path(path)

    def _watch(self, socket: ClientConnection, prompt_id: str, nodes: int, on_step: OnStep | None) -> None:
        progress = _Progress(nodes)
        while True:
            message = _next(socket)
            if message is None:  # silence or a broken connection
                if self._ended(prompt_id) is not None:
                    return
                self._check_known(prompt_id)
            elif message.get("data", {}).get("prompt_id") != prompt_id:
                continue
            elif progress.read(message["type"], message["data"]):
                self._wait_for_record(prompt_id)
                return
            if on_step is not None:  # in silence too, so that whoever waits can cancel
                on_step(progress.parts, PARTS)

    def _check_known(self, prompt_id: str) -> None:
        """Raise ComfyUIUnreachable when the server neither runs, holds nor remembers a prompt: it was started anew."""
        queue = self._json("GET", "/queue")
        known = any(item[1] == prompt_id for item in [*queue["queue_running"], *queue["queue_pending"]])
        if not known and self.history(prompt_id) is None:
            raise ComfyUIUnreachable(f"{self.url} has forgotten prompt {prompt_id}, as after a restart; try again")

    def _wait_for_record(self, prompt_id: str) -> None:
        """The history is written just after the last message."""
        for _ in range(50):
            if self.history(prompt_id) is not None:
                return
            time.sleep(0.1)

    def _ended(self, prompt_id: str) -> dict[str, Any] | None:
        record = self.history(prompt_id)
        if record is None:
            return None
        for kind, data in record["status"]["messages"]:
            if kind == "execution_error":
                raise _failure(data)
            if kind == "execution_interrupted":
                raise ComfyUIError(f"prompt {prompt_id} was cancelled on the server")
        return record

    def _socket(self) -> ClientConnection:
        address = "ws" + self.url.removeprefix("http") + f"/ws?clientId={self.client_id}"
        try:
            return connect(address, max_size=2**24, open_timeout=10)
        except (OSError, WebSocketException) as error:
            raise self._no_answer(error) from error

    def _no_answer(self, error: Exception) -> ComfyUIUnreachable:
        return ComfyUIUnreachable(f"no ComfyUI answers at {self.url} ({error}); start it or check the address")

    def _json(self, method: str, path: str, **request: Any) -> Any:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise self._no_answer(error) from error
        try:
            body = answer.json() if answer.content else {}
        except json.JSONDecodeError:
            body = {}
        if answer.status_code != 200:
            raise ComfyUIError(_refusal(body) if body else f"{self.url}{path} answered {answer.status_code}")
        return body


@dataclass
class _Progress:
    """How much of a prompt is done, read from the server's messages about it."""

    nodes: int
    parts: int = 0  # of PARTS
    done: set[str] = field(default_factory=set)

    def read(self, kind: str, data: dict[str, Any]) -> bool:
        """Note one message; True when it says that the prompt has ended. Raises ComfyUIError for a failed node."""
        if kind == "execution_error":  # the history has it too, but not when a node was merely kept from running
            raise _failure(data)
        if kind == "execution_cached":
            self.done.update(data["nodes"])
        elif kind == "executed":
            self.done.add(data["node"])
        elif kind == "progress_state":
            states = data["nodes"].values()
            self.done.update(state["node_id"] for state in states if state["state"] == "finished")
            running = sum(s["value"] / s["max"] for s in states if s["state"] == "running" and s["max"])
            self.parts = round(PARTS * min((len(self.done) + running) / self.nodes, 1.0))
        return kind in ("execution_success", "execution_interrupted")


def _next(socket: ClientConnection) -> dict[str, Any] | None:
    """The next JSON message; None when none came for a while. Previews (binary) are skipped."""
    try:
        text = socket.recv(timeout=POLL_SECONDS)
    except TimeoutError:
        return None
    except ConnectionClosed:
        time.sleep(POLL_SECONDS)
        return None
    return json.loads(text) if isinstance(text, str) else {}


def _failure(data: dict[str, Any]) -> ComfyUIError:
    return ComfyUIError(f"node {data['node_id']} ({data['node_type']}): {data['exception_message'].strip()}")


def _refusal(body: dict[str, Any]) -> str:
    """One sentence from the answer to a bad prompt."""
    for node, found in body.get("node_errors", {}).items():
        first = found["errors"][0]
        detail = f" ({first['details']})" if first.get("details") else ""
        return f"node {node} ({found['class_type']}): {first['message']}{detail}"
    error = body.get("error", "the server refused the prompt")
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)
