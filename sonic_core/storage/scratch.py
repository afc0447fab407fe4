"""Folders for photos, voices and videos while they are worked on; deleted when their process ends, even by `kill -9`.

A folder's owner holds a lock on it that the system takes away with the process. `clear_abandoned` deletes every
folder whose lock is free, so any living service or worker of this machine cleans up after the dead ones.
"""

import atexit
import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such lock: there a folder counts as abandoned after this age
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

PREFIX = "sonic-scratch-"
_LOCK = ".lock"
_STARTING_SECONDS = 10.0  # between making a folder and locking it
_OLD_SECONDS = 24 * 3600.0  # where no lock can be asked
_mine: set[Path] = set()


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder that only this user can read, deleted at the end of the block or with the process."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    _mine.add(folder)
    lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        hold(lock)
        os.write(lock, b"held")  # an unlocked folder with this mark has lost its owner
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _mine.discard(folder)
        os.close(lock)


@atexit.register
def _clear_mine() -> None:
    """For an exit while a thread still works in its folder."""
    for folder in list(_mine):
        shutil.rmtree(folder, ignore_errors=True)


def clear_abandoned() -> int:
    """Deletes the scratch folders of dead processes; returns how many. Leaves other users' folders alone."""
    cleared = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if _is_abandoned(folder):
                shutil.rmtree(folder)
                cleared += 1
        except OSError as error:  # another process was quicker, or the folder is somebody else's
            logger.debug("scratch folder %s stays: %s", folder.name, error)
    return cleared


def hold(descriptor: int) -> None:
    """Locks an open file for as long as this process has it open."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def is_held(path: Path) -> bool:
    """Whether a living process holds a file. Raises OSError; True where locks cannot be asked."""
    if fcntl is None:
        return True
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_abandoned(folder: Path) -> bool:
    status = folder.lstat()
    age = time.time() - status.st_mtime
    if fcntl is None:
        return age > _OLD_SECONDS
    if status.st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
        return False
    lock = folder / _LOCK
    if lock.exists() and is_held(lock):
        return False
    # A folder without the mark is new, and its owner is about to lock it.
    return age > _STARTING_SECONDS or (lock.exists() and lock.stat().st_size > 0)
