"""A small ComfyUI server: its HTTP API and websocket, and prompts that a function carries out instead of nodes."""

import asyncio
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Form, Request, UploadFile, WebSocket, WebSocketDisconnect
from starlette.responses import FileResponse, JSONResponse

from sonic_core.comfyui import JOB_KEY


class Interrupted(Exception):
    """What a node raises when the prompt was interrupted."""


class FakeComfyUI:
    """`with FakeComfyUI(folder, work) as server`. `work(graph, step)` returns the outputs as /history has them."""

    def __init__(self, folder: Path, work: Callable[..., dict[str, Any]]):
        self.folder, self.work = folder, work
        self.queued: list[tuple[str, dict]] = []
        self.running: list[str] = []
        self.history: dict[str, dict] = {}
        self.interrupted: list[str] = []
        self.jobs: dict[str, str | None] = {}  # by prompt id
        self.quiet = False  # no websocket messages, as behind a proxy that drops them
        self._sockets: list[tuple[asyncio.Queue, asyncio.AbstractEventLoop]] = []
        self._changed = threading.Condition()
        self._config = uvicorn.Config(self._app(), host="127.0.0.1", port=0, log_level="error")
        self._server = uvicorn.Server(self._config)

    def __enter__(self) -> "FakeComfyUI":
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        threading.Thread(target=self._execute, daemon=True).start()
        while not self._server.started:
            self._thread.join(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)

    def forget(self) -> None:
        """What a restart does."""
        self.queued, self.running, self.history = [], [], {}

    def _say(self, kind: str, **data: Any) -> None:
        if not self.quiet:
            for queue, loop in self._sockets:
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(queue.put_nowait, {"type": kind, "data": data})

    def _execute(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self.queued)
                prompt_id, graph = self.queued.pop(0)
                self.running = [prompt_id]

            def step(node: str, value: float, prompt_id: str = prompt_id) -> None:
                if prompt_id in self.interrupted:
                    raise Interrupted
                state = {"node_id": node, "state": "running", "value": value, "max": 1.0}
                self._say("progress_state", prompt_id=prompt_id, nodes={node: state})

            record: dict[str, Any] = {"outputs": {}, "status": {"status_str": "success", "messages": []}}
            try:
                record["outputs"], ending = self.work(graph, step), ("execution_success", {})
            except Interrupted:
                ending = ("execution_interrupted", {})
            except ValueError as error:
                ending = ("execution_error", {"node_id": "7", "node_type": "N", "exception_message": f"{error}\n"})
            record["status"]["messages"].append(ending)
            if prompt_id in self.running:  # not forgotten meanwhile
                self.history[prompt_id], self.running = record, []
            self._say(ending[0], prompt_id=prompt_id, **ending[1])

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/upload/image")
        async def upload(image: UploadFile, subfolder: str = Form(""), type: str = Form("input")) -> dict:
            path = self.folder / type / subfolder / str(image.filename)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(await image.read())
            return {"name": path.name, "subfolder": subfolder, "type": type}

        @app.post("/prompt")
        async def prompt(request: Request) -> Any:
            body = await request.json()
            wrong = {k: n for k, n in body["prompt"].items() if n["inputs"].get("seed") == -1}
            if wrong:
                errors = [{"message": "Value -1 smaller than min of 0", "details": "seed"}]
                named = {k: {"class_type": n["class_type"], "errors": errors} for k, n in wrong.items()}
                return JSONResponse({"error": {"message": "outputs failed"}, "node_errors": named}, 400)
            assert "prompt_id" not in body, "newer cores take UUIDs only"
            prompt_id = str(uuid.uuid4())
            self.jobs[prompt_id] = body.get("extra_data", {}).get("extra_pnginfo", {}).get(JOB_KEY)
            with self._changed:
                self.queued.append((prompt_id, body["prompt"]))
                self._changed.notify()
            return {"prompt_id": prompt_id, "number": 1, "node_errors": {}}

        @app.get("/queue")
        async def queue() -> dict:
            pending = [[0, prompt_id] for prompt_id, _ in self.queued]
            return {"queue_running": [[0, prompt_id] for prompt_id in self.running], "queue_pending": pending}

        @app.post("/queue")
        async def change_queue(request: Request) -> dict:
            gone = (await request.json())["delete"]
            self.queued = [item for item in self.queued if item[0] not in gone]
            return {}

        @app.post("/interrupt")
        async def interrupt(request: Request) -> dict:
            self.interrupted.append((await request.json())["prompt_id"])
            return {}

        @app.get("/history/{prompt_id}")
        async def history(prompt_id: str) -> dict:
            return {prompt_id: self.history[prompt_id]} if prompt_id in self.history else {}

        @app.get("/view")
        async def view(filename: str, subfolder: str, type: str) -> FileResponse:
            return FileResponse(self.folder / type / subfolder / filename)

        @app.websocket("/ws")
        async def socket(connection: WebSocket) -> None:
            await connection.accept()
            entry = (asyncio.Queue(), asyncio.get_running_loop())
            self._sockets.append(entry)
            with suppress(WebSocketDisconnect, RuntimeError):
                while True:
                    await connection.send_json(await entry[0].get())

        return app
