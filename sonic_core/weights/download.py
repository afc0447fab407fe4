"""Fetching a model file into its place: from Hugging Face, a mirror of it, or ModelScope.

`huggingface_hub` resumes, retries, and knows tokens, proxies and mirrors. A file is put into its place when it is whole
and its sha256 is the one that the server stated; that sum is kept in `checksums.json` for `models verify`.
"""

import inspect
import json
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from tqdm import tqdm

from sonic_core.errors import ModelError
from sonic_core.progress import OnStep
from sonic_core.weights.catalog import MODELSCOPE, ModelFile
from sonic_core.weights.https_file import LOCAL, fetch_file, file_sha256

Source = Literal["huggingface", "modelscope"]
CHECKSUMS = "checksums.json"
STAGING = ".download"


def download(file: ModelFile, folder: Path, source: Source = "huggingface", on_bytes: OnStep | None = None) -> bool:
    """Fetch `file` into the model folder, resuming where an earlier attempt stopped.

    `on_bytes` is told how many bytes have come and cancels by raising; without it a progress bar is shown on stderr.

    Returns:
        Whether the content was checked against a sha256.

    Raises:
        ModelError: the server refuses, the connection breaks, or the content is not what it should be.
    """
    target = folder / file.path
    if source == "modelscope" and file.repository in MODELSCOPE:
        base = os.environ.get("MODELSCOPE_ENDPOINT", "https://modelscope.cn").rstrip("/")
        url = f"{base}/models/{MODELSCOPE[file.repository]}/resolve/master/{file.name}"
        if on_bytes is not None:
            stated = fetch_file(url, target, file.sha256, on_bytes)
        else:
            with tqdm(desc=file.name, total=file.size, unit="B", unit_scale=True) as bar:
                stated = fetch_file(
                    url, target, file.sha256, lambda done, total, preview=None: bar.update(done - bar.n) and None
                )
    else:
        stated = _from_hub(file, folder, target, on_bytes)
    if stated is not None:
        record_checksum(folder, file.path, stated)
    return stated is not None


def _from_hub(file: ModelFile, folder: Path, target: Path, on_bytes: OnStep | None) -> str | None:
    """Fetch through `huggingface_hub`; returns the sha256 that was checked, if the server stated one."""
    staging = folder / STAGING / file.path.replace("/", "--")
    came, etag = _staged(file, staging, target, on_bytes)
    stated = file.sha256 or (etag if etag and re.fullmatch(r"[0-9a-f]{64}", etag) else None)
    if stated is not None and (actual := file_sha256(came)) != stated:
        shutil.rmtree(staging)
        raise ModelError(f"{target.name} came with sha256 {actual} instead of {stated}; run the same command again")
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(came, target)
    shutil.rmtree(staging)
    if not any((folder / STAGING).iterdir()):
        (folder / STAGING).rmdir()
    return stated


def _staged(file: ModelFile, staging: Path, target: Path, on_bytes: OnStep | None) -> tuple[Path, str | None]:
    """The file as it came into `staging`, and its entity tag. Raises ModelError that says what to do."""
    from huggingface_hub import errors as hub
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    check_endpoint(endpoint)
    token = os.environ.get("HF_TOKEN") or None
    connection_errors: tuple[type[Exception], ...] = (hub.HfHubHTTPError, ConnectionError, TimeoutError)
    if hasattr(hub, "HTTPError"):  # of the HTTP library, since huggingface_hub 1
        connection_errors += (hub.HTTPError,)
    try:
        etag = get_hf_file_metadata(hf_hub_url(file.repository, file.name, endpoint=endpoint), token=token).etag
        options: dict[str, Any] = {"local_dir": staging, "endpoint": endpoint, "token": token}
        if on_bytes is not None and "tqdm_class" in inspect.signature(hf_hub_download).parameters:  # new in 1.0
            options["tqdm_class"] = _bar(on_bytes, file.size)
        return Path(hf_hub_download(file.repository, file.name, **options)), etag
    except (hub.GatedRepoError, hub.RepositoryNotFoundError) as error:
        raise ModelError(
            f"{file.repository} is not open to everybody: accept its licence at https://huggingface.co/"
            f"{file.repository} and set HF_TOKEN to a token of yours"
        ) from error
    except hub.LocalEntryNotFoundError as error:
        raise ModelError(_broken(file, endpoint, error)) from error
    except hub.EntryNotFoundError as error:
        raise ModelError(
            f"{file.name} is not in {file.repository} any more; look for its new place and put it into {target} by hand"
        ) from error
    except connection_errors as error:
        raise ModelError(_broken(file, endpoint, error)) from error
    except OSError as error:
        raise ModelError(
            f"{target} cannot be written ({error.strerror or error}); free space or choose another folder"
        ) from error


def _bar(on_bytes: OnStep, size: int) -> type[tqdm]:
    """A progress bar that tells `on_bytes` what it is told; `size` is the total if the server states none."""

    class Bar(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            on_bytes(int(self.n), int(self.total or size))
            return shown

    return Bar


def check_endpoint(endpoint: str) -> None:
    """Raise ModelError for a mirror that is not https, except on this machine."""
    parts = urlsplit(endpoint)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL):
        raise ModelError(f"HF_ENDPOINT is {endpoint!r}; model files are fetched over https only")


def record_checksum(folder: Path, path: str, sha256: str) -> None:
    """Keep the checksum of a file of the folder."""
    sums = {**recorded_checksums(folder), path: sha256}
    temporary = folder / f".{CHECKSUMS}.{secrets.token_hex(4)}"
    temporary.write_text(json.dumps(sums, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(temporary, folder / CHECKSUMS)


def recorded_checksums(folder: Path) -> dict[str, str]:
    """The checksums kept in the folder; none when there is no readable record."""
    try:
        sums = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in sums.items()} if isinstance(sums, dict) else {}


def _broken(file: ModelFile, endpoint: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return (
        f"{file.name} could not be fetched from {endpoint} to its end ({reason}); run the same command again to go on"
    )
