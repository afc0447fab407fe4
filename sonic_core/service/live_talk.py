"""Runs one live talk over its WebSocket, from its beginning to its end.

In: binary messages of samples after {"type": "start", "rate": 48000, "format": "f32"}, and {"type": "interrupt"},
{"type": "end"}. Out: binary pieces of one MP4, and {"type": "ready" | "speaking" | "idle" | "interrupted" | "ended"}.
{"type": "offer", "sdp": ...} moves sound and picture to WebRTC; the socket stays open for events. A talk ends with its
socket, its peer, its consent or its time.
"""

import asyncio
import json
import secrets
import time
from dataclasses import fields
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
from anyio.abc import TaskGroup
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from sonic_core.errors import InputError
from sonic_core.ledger.consents import check_consent, find_consent
from sonic_core.ledger.database import autocommit
from sonic_core.service.context import Service
from sonic_core.service.live_host import LiveHost, Ticket
from sonic_core.settings import Settings

TALK_SECONDS = 3600.0
SILENT_SECONDS = 600.0  # without sound, after which a talk ends
CONSENT_SECONDS = 5.0  # between two checks of the consent
MAX_MESSAGE = 1 << 20
MAX_TEXT = 100_000  # characters of a text message; an offer is the longest
MAX_WAITING = 8 << 20  # bytes of video that a slow client may leave unread
FORMATS: dict[str, tuple[np.dtype[Any], float]] = {"f32": (np.dtype("<f4"), 1.0), "s16": (np.dtype("<i2"), 32768.0)}
MICROPHONE_BACKLOG = 0.5
DEFAULT_LABEL = "zh"


def check_talk(service: Service, user: str, consent_id: str) -> None:
    with autocommit(service.ledger.engine) as connection:
        check_consent(find_consent(connection, consent_id), user, service.ledger.clock())


async def say(socket: WebSocket, **message: Any) -> None:
    await socket.send_text(json.dumps(message))


class LiveTalk:
    """The talk of one socket."""

    def __init__(self, service: Service, host: LiveHost, ticket: Ticket, socket: WebSocket):
        self.service, self.host, self.ticket, self.socket = service, host, ticket, socket
        self.out: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        self.waiting = 0  # bytes in `out`
        self.loop = asyncio.get_running_loop()
        self.heard = time.monotonic()
        self.format: tuple[np.dtype[Any], float] = FORMATS["f32"]
        self.rate = 48_000
        self.tasks: TaskGroup | None = None
        self.peer: Any = None  # a live.peer.Peer once the other side has made an offer

    async def run(self) -> None:
        """Talk until one side ends it. Raises SonicError for a photo or settings that cannot talk."""
        from sonic_core.disclosure.label import VisibleLabel, record
        from sonic_core.live.fragments import MIME
        from sonic_core.live.runner import Runner
        from sonic_core.live.session import LiveSession

        settings = dict(self.ticket.settings)
        label = settings.pop("label", None)
        label = VisibleLabel(DEFAULT_LABEL if label in (None, "none") else label)
        preset = settings.pop("preset", "fast")

        def begin() -> Any:
            return self.host.pipe().talk(self.ticket.photo, preset, **talk_settings(settings))

        talk = await anyio.to_thread.run_sync(begin)
        session = LiveSession(talk, on_event=lambda event: self._from_thread(json.dumps({"type": event})))
        runner = Runner(session, label, secrets.token_hex(8), self._from_thread)
        width, height = talk.size
        offered: dict[str, Any] = {"webrtc": self.host.webrtc, "ice": self.host.ice_servers}
        offered["aigc"] = json.loads(record(runner.talk_id))  # WebRTC itself has no metadata
        await say(self.socket, type="ready", mime=MIME, width=width, height=height, rate=48_000, **offered)
        runner.start()
        try:
            async with anyio.create_task_group() as tasks:
                self.tasks = tasks
                tasks.start_soon(self._receive, session, runner)
                tasks.start_soon(self._watch, runner)
                await self._send(runner)
                tasks.cancel_scope.cancel()
        finally:
            runner.stop()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(runner.join)
                if self.peer is not None:
                    await self.peer.close()

    def _from_thread(self, item: bytes | str | None) -> None:
        self.loop.call_soon_threadsafe(self._put, item)

    def _put(self, item: bytes | str | None) -> None:
        self.waiting += len(item or b"")
        self.out.put_nowait(item)
        if self.waiting > MAX_WAITING and self.tasks is not None:
            self.tasks.cancel_scope.cancel()  # the client does not read, and a send to it may never return

    async def _send(self, runner: Any) -> None:
        """Send what the runner makes, until it has ended or the other side is gone."""
        try:
            while (item := await self.out.get()) is not None:
                self.waiting -= len(item)
                if isinstance(item, bytes):
                    await self.socket.send_bytes(item)
                else:
                    await self.socket.send_text(item)
            pace = runner.pace
            await say(self.socket, type="ended", shown=pace.shown, left_out=pace.left_out)
            await self.socket.close()
        except (WebSocketDisconnect, RuntimeError):
            runner.stop()

    async def _receive(self, session: Any, runner: Any) -> None:
        """Take sound and messages from the other side until it leaves."""
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return runner.stop()
            try:
                if message.get("bytes") is not None:
                    self._hear(session, message["bytes"])
                elif message.get("text") is not None:
                    await self._obey(session, runner, message["text"])
            except InputError as error:
                self._put(json.dumps({"type": "error", "detail": str(error)}))

    def _hear(self, session: Any, data: bytes) -> None:
        kind, scale = self.format
        if len(data) > MAX_MESSAGE or len(data) % kind.itemsize:
            raise InputError(f"A message of {len(data)} bytes is not whole samples; send whole samples, at most 1 MiB.")
        self.heard = time.monotonic()
        session.push(np.frombuffer(data, kind).astype(np.float32) / np.float32(scale), self.rate)

    async def _obey(self, session: Any, runner: Any, text: str) -> None:
        try:
            message = json.loads(text[:MAX_TEXT])
            kind = message["type"]
        except (ValueError, TypeError, KeyError):
            raise InputError('A text message must be an object like {"type": "interrupt"}.') from None
        if kind == "start":
            self._begin(message)
            session.queue.limit(MICROPHONE_BACKLOG if message.get("live") is True else None)
        elif kind == "interrupt":
            session.interrupt()
        elif kind == "end":
            session.end()
        elif kind == "offer":
            await self._connect(session, runner, str(message.get("sdp")))
        else:
            raise InputError(f"There is no message {str(kind)[:40]!r}; there are start, interrupt, end and offer.")

    def _begin(self, message: dict[str, Any]) -> None:
        """Note what the sound will be. Raises InputError."""
        from sonic_core.live.sound import check_rate

        rate, form = message.get("rate", 48_000), message.get("format", "f32")
        check_rate(rate)
        if form not in FORMATS:
            raise InputError(f"the sound's format is {str(form)[:40]!r}; give one of {', '.join(FORMATS)}")
        self.rate, self.format = rate, FORMATS[form]

    async def _connect(self, session: Any, runner: Any, offer: str) -> None:
        """Answer an offer, and use WebRTC for sound and picture once the peer is connected. Raises InputError."""
        if not self.host.webrtc:
            raise InputError("This service has no WebRTC; sound and picture go on over the socket.")
        if self.peer is not None:
            raise InputError("There was an offer already; a talk takes one.")
        try:
            from sonic_core.live.peer import Peer
        except (ImportError, OSError) as error:  # aiortc is installed and does not load
            self.host.webrtc = False
            raise InputError("WebRTC does not load here; sound and picture go on over the socket.") from error

        def hear(samples: np.ndarray, rate: int) -> None:
            self.heard = time.monotonic()
            session.push(samples, rate)

        def connected() -> None:
            session.queue.limit(MICROPHONE_BACKLOG)
            runner.peer = peer

        peer = Peer(session.talk.size, runner.label, hear, connected, runner.stop, self.host.ice_servers)
        self.peer = peer
        await say(self.socket, type="answer", sdp=await peer.answer(offer))

    async def _watch(self, runner: Any) -> None:
        """End the talk when its consent, its time or the sound has ended."""
        began = time.monotonic()
        while True:
            await anyio.sleep(CONSENT_SECONDS)
            now = time.monotonic()
            try:
                await anyio.to_thread.run_sync(check_talk, self.service, self.ticket.user, self.ticket.consent_id)
            except InputError as error:
                self._put(json.dumps({"type": "error", "detail": str(error)}))
                return runner.stop()
            if self.service.stop.is_set() or now - began > TALK_SECONDS or now - self.heard > SILENT_SECONDS:
                return runner.stop()


def talk_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the engine's settings among those given; the settings of finishing do not apply to a talk."""
    known = {field.name for field in fields(Settings)}
    return {name: value for name, value in settings.items() if name in known}
