"""Many videos from a CSV file or a folder, in this process or by the queue; can be stopped and run again.

CSV columns: image (a photo) or video (to be dubbed), audio, optionally output, and any setting (preset, label, ...);
paths are relative to the file. Several sounds in a row, `her.wav | him.wav`, are a voice each for a picture of several
people. A folder: pairs of the same name, or one picture and many recordings. A row's job id is derived from what it
says and from its files, so a second run goes on where the first one stopped. `report.csv` says what became of each row.
"""

import csv
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sonic_core.errors import InputError, OutputError, SonicError
from sonic_core.finishing import parse_background
from sonic_core.fleet.backends import Engine
from sonic_core.fleet.submission import (
    Materials,
    needed_sound,
    parse_settings,
    sha256_of,
    store_files,
    submit,
    video_name,
)
from sonic_core.fleet.sweeper import Queue, QueueError, publish
from sonic_core.fleet.worker import Worker
from sonic_core.ledger.consents import record_consent
from sonic_core.ledger.jobs import FINAL, Job
from sonic_core.ledger.ledger import Ledger
from sonic_core.media.audio import load_audio
from sonic_core.media.file_type import PICTURE_SUFFIXES, SOUND_SUFFIXES
from sonic_core.media.flac import save_flac
from sonic_core.media.voices import side_by_side
from sonic_core.request import FIELDS
from sonic_core.storage.keys import sanitize_name
from sonic_core.storage.scratch import scratch_folder
from sonic_core.storage.store import StorageError
from sonic_core.storage.stores import Stores

BETWEEN_SOUNDS = "|"
_MAX_ROWS = 100_000
_MAX_VIDEO_BYTES = 16 << 30
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Row:
    """One video to make. `output` is a file name below the batch's output folder; several `sounds` are a voice each."""

    picture: Path  # the photo, or the video that gets another voice
    sounds: tuple[Path, ...]
    output: str
    settings: dict[str, Any]
    background: Path | None = None
    dubs: bool = False

    def files(self, audio: Path) -> dict[str, Path]:
        """The files of the job by the names of Materials."""
        given = {"video" if self.dubs else "image": self.picture, "audio": audio}
        return given if self.background is None else given | {"background": self.background}


def read_rows(source: Path) -> list[Row]:
    """Rows of a CSV file or a folder. Raises InputError or SettingsError that names the line."""
    if source.is_dir():
        rows = list(_folder_rows(source))
    elif source.is_file():
        rows = list(_csv_rows(source))
    else:
        raise InputError(f"There is no {str(source)!r}; give a CSV file or a folder.")
    if not rows:
        raise InputError(f"{str(source)!r} names no videos to make.")
    twice = next((name for name, times in Counter(row.output for row in rows).items() if times > 1), None)
    if twice:
        raise InputError(f"Two rows would write {twice!r}; give them different outputs.")
    return rows


def _csv_rows(source: Path) -> Iterator[Row]:
    """The rows of a CSV file in UTF-8, with commas, or with semicolons, as some countries' spreadsheets write it."""
    try:
        with open(source, newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=";" if ";" in header and "," not in header else ",")
            yield from _checked_rows(reader, source)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{str(source)!r} cannot be read ({error}); save it as CSV in UTF-8.") from None


def _checked_rows(reader: "csv.DictReader[str]", source: Path) -> Iterator[Row]:
    names = set(reader.fieldnames or ())
    missing = {"audio", *(() if "video" in names else ("image",))} - names
    if missing:
        raise InputError(f"{str(source)!r} has no column {' and '.join(sorted(missing))}.")
    for number, line in enumerate(reader, 2):
        if number > _MAX_ROWS:
            raise InputError(f"{str(source)!r} has more than {_MAX_ROWS} rows.")
        try:
            row = _csv_row(line, source.parent, number - 1)
        except SonicError as error:
            raise type(error)(f"Line {number} of {str(source)!r}: {error}") from None
        yield row


def _csv_row(line: dict[str, str], folder: Path, number: int) -> Row:
    """The row of a line by its columns; names are relative to `folder`, and `number` names a nameless output."""
    if None in line:  # where csv puts what has no column
        raise InputError("it has more fields than the header")
    image, video = line.pop("image", None), line.pop("video", None)
    if image and video:
        raise InputError("it has an image and a video; give one of them")
    sounds = tuple(folder / name.strip() for name in (line.pop("audio") or "").split(BETWEEN_SOUNDS))
    if len(sounds) > 1:
        line["voices"] = "channels"
    background = picture_named(line, folder)
    output = line.pop("output", None)
    settings = parse_settings({name: typed(name, text) for name, text in line.items() if text})
    name = output_name(output, f"{sounds[0].stem}-{number}", settings)
    return Row(folder / (video or image or ""), sounds, name, settings, background, bool(video))


def picture_named(line: dict[str, str], folder: Path) -> Path | None:
    """The picture that a row's `background` names, taken out of it; None where it is a colour, or nothing."""
    if not line.get("background") or not isinstance(parse_background(line["background"]), Path):
        return None
    return folder / line.pop("background")


def output_name(given: str | None, stem: str, settings: dict[str, Any]) -> str:
    """The file name of a row's video. Raises InputError for one that does not end as its kind does."""
    suffix = Path(video_name(settings)).suffix
    name = sanitize_name(given or f"{stem}{suffix}")
    if suffix == ".webm" and not name.lower().endswith(suffix):
        raise InputError(f"output {name!r} has a transparent background; name it {suffix}")
    return name


def typed(name: str, text: str) -> Any:
    """A setting's text as the setting's type."""
    setting = FIELDS.get(name)
    if setting is None or "options" in setting.metadata:
        return text
    if isinstance(setting.default, bool):
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower(), text)
    try:
        if "item" in setting.metadata:
            return [setting.metadata["item"](number) for number in text.split()]
        return int(text) if isinstance(setting.default, int) else float(text)
    except ValueError:
        return text  # the settings' own check says what is wrong


def _folder_rows(source: Path) -> Iterator[Row]:
    files = sorted(path for path in source.iterdir() if path.is_file())
    pictures = {path.stem: path for path in files if path.suffix.lower() in PICTURE_SUFFIXES}
    sounds = [path for path in files if path.suffix.lower() in SOUND_SUFFIXES]
    for sound in sounds:
        picture = next(iter(pictures.values())) if len(pictures) == 1 else pictures.get(sound.stem)
        if picture is None:
            raise InputError(f"There is no picture of the name of {sound.name!r} in {str(source)!r}.")
        yield Row(picture, (sound,), sanitize_name(f"{sound.stem}.mp4"), parse_settings({}))


class Batch:
    """A batch between its source and its output folder."""

    def __init__(self, ledger: Ledger, stores: Stores, source: Path, output: Path, user: str, purpose: str):
        self.ledger, self.stores, self.source, self.output = ledger, stores, source, output
        self.user, self.purpose = user, purpose
        self.rows = read_rows(source)

    def run_here(self, engine: Engine) -> int:
        """Makes the videos in this process, one after another. 0 when all are there."""
        worker = Worker(self.ledger, self.stores, engine)

        def take(job: Job) -> None:
            self.ledger.recover()  # a run before this one may have died in the middle of this very job
            worker.run_one(job.id)

        return self._run(take, take)

    def run_queued(self, queue: Queue | None) -> int:
        """Puts the jobs into the queue and waits for workers, fetching each video when it is done."""

        def announce(job: Job) -> None:
            if queue is not None and job.published is None:
                try:
                    publish(self.ledger, queue, job.id)
                except QueueError as error:
                    sys.stderr.write(f"The broker does not answer ({error}); the sweeper will publish.\n")

        if not self.ledger.live_workers():
            sys.stderr.write("No worker is alive; start one: python -m sonic_core worker\n")
        return self._run(announce, lambda job: None)

    @cached_property
    def _consent(self) -> str:
        consent = record_consent(
            self.ledger.engine, self.user, subject="batch", subject_is_user=False, purpose=self.purpose, sources=[]
        )
        return consent.id

    def _run(self, start: Callable[[Job], object], again: Callable[[Job], object]) -> int:
        """Calls `start` once for each job, then `again` every second for those that wait: for their backoff, for the
        lease of a run that died, or for other workers."""
        try:
            self.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot make the folder {str(self.output)!r} ({error.strerror}); choose another"
            ) from None
        results: dict[str, dict[str, Any]] = {}
        waiting: dict[str, Row] = {}
        for row in self.rows:
            try:
                job = self._submit(row)
            except (SonicError, OSError) as error:
                self._note(results, row, {"state": "failed", "error": str(error)})
                continue
            if job.state not in FINAL:
                start(job)
                job = self.ledger.get(job.id)
            if job.state in FINAL:
                self._note(results, row, self._collect(row, job))
            else:
                waiting[job.id] = row
        while waiting:
            time.sleep(_POLL_SECONDS)
            for job_id in list(waiting):
                job = self.ledger.get(job_id)
                if job.state not in FINAL:
                    again(job)
                    job = self.ledger.get(job_id)
                if job.state in FINAL:
                    row = waiting.pop(job_id)
                    self._note(results, row, self._collect(row, job))
        done = sum(result["state"] == "done" for result in results.values())
        sys.stdout.write(f"{done} of {len(self.rows)} videos made; see {self.output / 'report.csv'}\n")
        return 0 if done == len(self.rows) else 1

    def _submit(self, row: Row) -> Job:
        files = [row.picture, *row.sounds, *([row.background] if row.background is not None else [])]
        for path in files:
            if not path.is_file():
                raise InputError(f"There is no file {str(path)!r}.")
        said = json.dumps([row.output, row.settings, *map(sha256_of, files)], sort_keys=True)
        job_id = "b-" + sha(f"{self.user}\n{said}")[:40]
        known = self.ledger.find(job_id)
        if known is not None:
            return self._again(known, row) if known.state in ("failed", "cancelled") else known
        materials = self._stored(job_id, row)
        job, _ = submit(
            self.ledger, job_id=job_id, user=self.user, materials=materials, consent_id=self._consent,
            settings=row.settings, batch=sanitize_name(self.source.stem),
        )  # fmt: skip
        return job

    def _again(self, job: Job, row: Row) -> Job:
        """Queues a failed or cancelled job again, and uploads its files again where they have been deleted."""
        if job.inputs_gone is None:
            return self.ledger.retry(job.id)
        return self.ledger.retry(job.id, self._stored(job.id, row).inputs())

    def _stored(self, job_id: str, row: Row) -> Materials:
        """The row's photo and its sound, several voices as the channels of one file, in the store."""
        if len(row.sounds) == 1:
            files = row.files(row.sounds[0])
            until = needed_sound(row.settings, dubs="video" in files)
            return store_files(self.stores, self.user, job_id, files, until)
        with scratch_folder() as folder:
            joined = save_flac(side_by_side([load_audio(path) for path in row.sounds]), folder / "voices.flac")
            return store_files(self.stores, self.user, job_id, row.files(joined))

    def _collect(self, row: Row, job: Job) -> dict[str, Any]:
        seconds = sum(job.timings.get(stage, 0.0) for stage in ("download", "generate", "upload"))
        result = {"state": job.state, "job": job.id, "error": job.error, "seconds": seconds}
        target = self.output / row.output
        if job.state == "done" and job.output is not None:
            try:
                if not target.exists() or target.stat().st_size != job.output["size"]:
                    crc = int(job.output["crc64"])
                    self.stores.outputs.get(job.output["key"], target, max_bytes=_MAX_VIDEO_BYTES, crc64=crc)
            except StorageError as error:
                result.update(state="failed", error=str(error))
        return result

    def _note(self, results: dict[str, dict[str, Any]], row: Row, result: dict[str, Any]) -> None:
        """One line for the person who waits, and the report brought up to date."""
        results[row.output] = result
        said = f"{result['seconds']:.1f} s" if result["state"] == "done" else result.get("error") or ""
        sys.stderr.write(f"[{len(results)}/{len(self.rows)}] {row.output}: {result['state']} {said}\n")
        self._report(results)

    def _report(self, results: dict[str, dict[str, Any]]) -> None:
        temporary = self.output / ".report.csv"
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["output", "state", "job", "seconds", "image", "audio", "error"])
            for row in self.rows:
                got = results.get(row.output, {"state": "waiting"})
                seconds = f"{got['seconds']:.1f}" if got.get("seconds") else ""
                sounds = f" {BETWEEN_SOUNDS} ".join(str(path) for path in row.sounds)
                writer.writerow([row.output, got["state"], got.get("job", ""), seconds, row.picture, sounds,
                                 got.get("error") or ""])  # fmt: skip
        temporary.replace(self.output / "report.csv")


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
