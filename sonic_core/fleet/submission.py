"""Turns a request into a job: checks settings, probes and stores files, records the consent, tells the ledger.

All entrances (HTTP, batch, Kafka, storage events) come through here. Files are probed, not decoded: a wrong
type, a bomb or three hours of audio are refused before a worker sees them. Knows the stores and the ledger.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from sonic_core.disclosure.label import VisibleLabel, check_glyphs
from sonic_core.errors import InputError, SettingsError
from sonic_core.finishing import check_no_path, is_transparent
from sonic_core.fleet import tracing
from sonic_core.fleet.cost import Cost, estimate, estimate_dub
from sonic_core.ledger.consents import Consent
from sonic_core.ledger.jobs import Job, NewJob
from sonic_core.ledger.ledger import Ledger
from sonic_core.media.audio import read_until
from sonic_core.media.probe import Kind, probe
from sonic_core.request import DUB_NAMES, Request
from sonic_core.storage.keys import check_key, input_key
from sonic_core.storage.scratch import scratch_folder
from sonic_core.storage.store import ObjectInfo
from sonic_core.storage.stores import Stores

MAX_IMAGE_BYTES = 32 << 20
MAX_AUDIO_BYTES = 256 << 20
MAX_VIDEO_BYTES = 1 << 30
MAX_BYTES = {
    "image": MAX_IMAGE_BYTES,
    "video": MAX_VIDEO_BYTES,
    "audio": MAX_AUDIO_BYTES,
    "background": MAX_IMAGE_BYTES,
}
WORDS = {"image": "photo", "video": "video", "audio": "sound", "background": "background"}
PROBED_AS: dict[str, Kind] = {"image": "image", "video": "video", "audio": "audio", "background": "image"}


@dataclass(frozen=True)
class Materials:
    """The stored inputs of a job: what the ledger keeps of each object. A photo speaks, or a video is dubbed."""

    audio: dict[str, Any]
    image: dict[str, Any] | None = None
    video: dict[str, Any] | None = None
    background: dict[str, Any] | None = None  # a picture to put behind the person

    def inputs(self) -> dict[str, dict[str, Any]]:
        """The materials that are there, by name."""
        return {name: facts for name, facts in asdict(self).items() if facts is not None}


def parse_settings(given: Any) -> dict[str, Any]:
    """A job's settings as the ledger keeps them, checked; see `Request`. Raises SettingsError."""
    request = Request.parse(given)
    behind = request.finishing.background
    if behind is not None:
        check_no_path(behind, ", or send a picture with the job as its background")
    if request.finishing.label_text is not None:
        check_glyphs(VisibleLabel(request.finishing.label_text))
    return request.as_mapping()


def _check_size(path: Path, limit: int, what: str) -> None:
    size = path.stat().st_size
    if not 0 < size <= limit:
        raise InputError(f"The {what} has {size} bytes; 1 to {limit} are accepted.")


def needed_sound(settings: Any, dubs: bool) -> float | None:
    """How many seconds of its sound a job with these settings needs; None for all of it, as for a dubbed video."""
    return None if dubs else read_until(Request.parse(settings).settings)


def facts_of(kind: str, path: Path, until: float | None = None) -> dict[str, Any]:
    """What is known of a picture (format, width, height), a sound (format, seconds) or a video (all, and frames).

    A sound longer than `until` seconds may be of any length. Raises InputError.
    """
    what = WORDS[kind]
    _check_size(path, MAX_BYTES[kind], what)
    info = probe(path, PROBED_AS[kind], f"The {what}", until if kind == "audio" else None)
    if kind == "audio":
        return {"format": info.format, "seconds": round(info.sound_seconds, 3)}
    facts: dict[str, Any] = {"format": info.format, "width": info.width, "height": info.height}
    if info.picture is not None and kind == "video":
        facts |= {"seconds": round(info.seconds or 0.0, 3), "frames": info.picture.clock.frame_count}
    return facts


def store_files(
    stores: Stores, user: str, job_id: str, given: Mapping[str, Path], until: float | None = None
) -> Materials:
    """Probes the files, by the names of Materials, and stores them as the job's inputs. `until`: see `facts_of`."""
    facts = {kind: facts_of(kind, path, until) for kind, path in given.items()}
    return Materials(
        **{
            kind: store_file(stores, input_key(user, job_id, f"{kind}-{path.name}"), path, facts[kind])
            for kind, path in given.items()
        }
    )


def store_file(stores: Stores, key: str, path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Puts one file under a key; what the ledger keeps of it."""
    info = stores.inputs.put(key, path, overwrite=True)
    return {**record(info, sha256_of(path)), **facts}


def find_objects(stores: Stores, user: str, keys: Mapping[str, str], settings: Any) -> Materials:
    """Materials of a job with these settings that lie in the store already; `keys` are by the names of Materials.

    Only keys of the same user are accepted. Raises InputError or SettingsError, before anything is fetched, for a job
    that could not be.
    """
    check_one_source(keys)
    until = needed_sound(settings, dubs="video" in keys)
    return Materials(**{kind: find_object(stores, user, kind, key, until) for kind, key in keys.items()})


def find_object(stores: Stores, user: str, kind: str, key: str, until: float | None = None) -> dict[str, Any]:
    """What the ledger keeps of one of the user's objects, probed as an upload is."""
    if not check_key(key).startswith(f"inputs/{user}/"):
        raise InputError(f"The key {key[:100]!r} is not below inputs/{user}/.")
    with scratch_folder() as folder:
        path = folder / kind
        info = stores.inputs.get(key, path, max_bytes=MAX_BYTES[kind])
        return {**record(info, sha256_of(path)), **facts_of(kind, path, until)}


def video_name(settings: Mapping[str, Any]) -> str:
    """What a job's video is called, by its kind: only WebM holds a transparent background that browsers show."""
    return "video.webm" if is_transparent(settings.get("background")) else "video.mp4"


def cost_of(materials: Materials, settings: dict[str, Any]) -> Cost:
    """What a job with these materials and settings will cost."""
    request, seconds = Request.parse(settings), materials.audio["seconds"]
    if materials.image is not None:
        return estimate(materials.image["width"], materials.image["height"], seconds, request.settings)
    video = materials.video or {}
    return estimate_dub(
        video["width"], video["height"], seconds, video["seconds"], video["frames"], request.dub.shorter
    )


def check_kind(materials: Materials, settings: Mapping[str, Any]) -> None:
    """Raise InputError or SettingsError unless there is one thing to animate, and settings that mean it."""
    check_one_source(materials.inputs())
    dubs = next((name for name in settings if name in DUB_NAMES), None)
    if materials.video is None and dubs is not None:
        raise SettingsError(f"{dubs} is for a video that is dubbed; send a video instead of a photo, or leave it out")


def check_one_source(given: Mapping[str, object]) -> None:
    """Raise InputError unless there is either a photo that speaks or a video that is dubbed, by their names."""
    if (given.get("image") is None) == (given.get("video") is None):
        raise InputError("A job makes a photo speak or dubs a video; give one of image and video.")


def record(info: ObjectInfo, sha256: str | None = None) -> dict[str, Any]:
    """What the ledger keeps of an object. CRC64 as text: JSON numbers end at 2**53 in many readers."""
    kept = {"key": info.key, "size": info.size, "etag": info.etag, "crc64": str(info.crc64)}
    return {**kept, "sha256": sha256} if sha256 else kept


def submit(
    ledger: Ledger,
    *,
    job_id: str,
    user: str,
    materials: Materials,
    consent_id: str,
    settings: dict[str, Any],
    batch: str | None = None,
    webhook: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    consent: Consent | None = None,
    check: Callable[[Connection], None] | None = None,
    priority: int = 0,
) -> tuple[Job, bool]:
    """Puts the job into the ledger, once: (job, whether it is new). See `Ledger.submit` for consent and check."""
    kept = parse_settings(settings)
    if materials.background is not None and kept.get("background") is not None:
        raise SettingsError(f"background is {kept['background']!r} and a picture was sent, too; give one of them")
    check_kind(materials, kept)
    cost = cost_of(materials, kept).pixels
    job = NewJob(
        job_id, user, materials.inputs(), consent_id, kept, batch, webhook,
        name=name, digest=digest, cost=cost, priority=priority, trace=tracing.current(),
    )  # fmt: skip
    return ledger.submit(job, consent, check)


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
