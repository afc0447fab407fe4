"""What a worker makes videos with: the library in this process; `comfyui/backend.py` has the ComfyUI server.

An engine is a function of a Task; it reports its stages through the task, which raises to stop it. Knows
no ledger and no store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonic_core.errors import SonicError
from sonic_core.progress import OnStep
from sonic_core.request import Request

if TYPE_CHECKING:
    from sonic_core.disclosure.c2pa import Credentials
    from sonic_core.fleet.segments import SegmentUpload


class EngineUnavailable(SonicError):
    """The engine cannot work now; it may later, or another worker's may."""


@dataclass(frozen=True)
class Task:
    """One video to make: local inputs, what is asked for, where the MP4 goes.

    `picture`: the photo that is to speak, or, where `dubs`, the video that gets another voice.
    """

    job_id: str
    picture: Path
    audio: Path
    request: Request
    output: Path
    report: Callable[[str, float], None]  # the stage, and the job's share done, 0 to 1; raising from it stops the job
    stream: SegmentUpload | None = None  # where the video goes while it is being made, too
    dubs: bool = False

    def stage(self, name: str, start: float, end: float) -> OnStep:
        """The `on_step` of one stage, which is the job's share from `start` to `end`."""

        def on_step(done: int, total: int, preview: object = None) -> None:
            self.report(name, start + (end - start) * done / max(total, 1))

        return on_step


Engine = Callable[[Task], dict[str, float]]  # returns seconds per stage


def core_engine(model: str = "lite", device: str | None = None, **options: Any) -> Engine:
    """SonicPipeline in this process; the model is loaded with the first job and stays. `options` go to its loading.

    Where it cannot be loaded, EngineUnavailable: that is no fault of the job, and another worker may do it.
    """
    loaded: list[Any] = []

    def make(task: Task) -> dict[str, float]:
        from sonic_core.media.hls import save_plain
        from sonic_core.pipeline import SonicPipeline

        if loaded:
            loaded[0].seconds.clear()  # loading belongs to the job before
        else:
            task.report("loading", 0.0)
            try:
                loaded.append(SonicPipeline.from_pretrained(model, device=device, **options))
            except SonicError as error:
                raise EngineUnavailable(f"the worker cannot load its model: {error}") from error
        pipe = loaded[0]

        sampled = 0.5 if task.stream is None or task.dubs else 0.0  # a stream is sampled while it is rendered
        drawn = task.stage("rendering", sampled, 1.0)

        def rendering(done: int, total: int, preview: object = None) -> None:
            drawn(done, total)
            if task.stream is not None:
                task.stream.update(folder)

        folder = task.output.with_suffix("")
        make_clip = pipe.dub if task.dubs else pipe if task.stream is None else pipe.stream
        clip = make_clip(
            str(task.picture), str(task.audio), task.request, task.stage("sampling", 0.0, 0.5), job_id=task.job_id
        )
        if task.stream is None:
            pipe.save_video(clip, task.output, on_frame=rendering)
        else:
            pipe.save_stream(clip, folder, on_frame=rendering)
            task.stream.finish(folder)
            save_plain(folder, task.output)
        return {name: round(seconds, 3) for name, seconds in pipe.seconds.items()}

    return make


def signing(engine: Engine, credentials: Credentials) -> Engine:
    """The engine with C2PA content credentials put on its videos, after everything else that changes the file."""

    def make(task: Task) -> dict[str, float]:
        from sonic_core.disclosure.c2pa import FORMATS, sign

        timings = engine(task)
        if task.output.suffix not in FORMATS:  # WebM: C2PA does not sign it, and the record stays
            return timings
        task.report("signing", 0.98)
        source = task.picture if task.dubs else None
        sign(task.output, task.output, credentials, title=f"{task.job_id}.mp4", parent=source)
        return timings

    return make
