"""Object keys: `inputs/<user>/<job>/<name>` and `outputs/<user>/<job>/attempt-<n>/<name>`.

Every part is sanitised on its own, so no name can climb out of its folder. The user comes from the caller's
identity, never from a workflow. The limits are OSS's: 1023 bytes of UTF-8, no leading slash or backslash.
This module knows strings only, no store.
"""

import re
import unicodedata

from sonic_core.errors import InputError

MAX_KEY_BYTES = 1023
MAX_PART_BYTES = 240  # so that the folder store can add a suffix to it
MAX_NAME_BYTES = 120
MAX_ID_BYTES = 80

_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_WINDOWS_DEVICES = {"con", "prn", "aux", "nul"} | {f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10)}


def sanitize_name(name: str, fallback: str = "file") -> str:
    """A file name that is one harmless path segment: letters (any script), digits, `.`, `_` and `-`.

    Folders in front are dropped, everything else becomes `-`, and the stem is cut so that the whole stays
    within MAX_NAME_BYTES while the extension survives. Sanitising twice changes nothing.
    """
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(c if c.isalnum() or c in "._-" else "-" for c in name)
    name = re.sub(r"-{2,}", "-", re.sub(r"\.{2,}", ".", name)).strip(".-")
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode()) > 16:
        stem, dot, extension = name, "", ""
    stem = _cut(stem, MAX_NAME_BYTES - len((dot + extension).encode())).rstrip(".-")
    if not stem or stem.lower() in _WINDOWS_DEVICES:
        stem = _cut(fallback + ("-" + stem if stem else ""), MAX_NAME_BYTES - len((dot + extension).encode()))
    return stem + dot + extension


def suffix_of(name: str) -> str:
    """The extension of a name or key as a part of a local file's name: a dot and up to eight letters, or nothing."""
    found = re.search(r"\.[A-Za-z0-9]{1,8}\Z", name)
    return found.group().lower() if found else ""


def _cut(text: str, limit: int) -> str:
    return text.encode()[: max(limit, 0)].decode(errors="ignore")


def check_id(value: str, what: str) -> str:
    """A user or job id, if it is a valid key segment; raises InputError otherwise."""
    if not _SAFE_ID.match(value) or ".." in value or len(value) > MAX_ID_BYTES:
        raise InputError(
            f"The {what} {value[:100]!r} cannot be part of an object key: use at most {MAX_ID_BYTES} letters, "
            "digits, '-', '_' and single '.', beginning with a letter or digit."
        )
    return value


def check_key(key: str) -> str:
    """The key, if OSS and we accept it; raises InputError otherwise."""
    reason = None
    if not key:
        reason = "it is empty"
    elif "\\" in key or any(unicodedata.category(c) in ("Cc", "Cs") for c in key):
        reason = "it holds a backslash or a control character"
    elif len(key.encode()) > MAX_KEY_BYTES:
        reason = f"it is longer than {MAX_KEY_BYTES} bytes"
    elif key[0] == "/":
        reason = "it begins with a slash"
    elif any(part in ("", ".", "..") for part in key.split("/")):
        reason = "it holds an empty, '.' or '..' part"
    elif any(len(part.encode()) > MAX_PART_BYTES for part in key.split("/")):
        reason = f"a part of it is longer than {MAX_PART_BYTES} bytes"
    if reason:
        raise InputError(f"The object key {key[:100]!r} is refused: {reason}.")
    return key


def input_prefix(user: str, job: str) -> str:
    return f"inputs/{check_id(user, 'user')}/{check_id(job, 'job id')}/"


def input_key(user: str, job: str, name: str) -> str:
    return check_key(f"{input_prefix(user, job)}{sanitize_name(name)}")


def output_prefix(user: str, job: str) -> str:
    return f"outputs/{check_id(user, 'user')}/{check_id(job, 'job id')}/"


def thumbnail_key(user: str, job: str) -> str:
    """The key of a job's thumbnail."""
    return f"{input_prefix(user, job)}thumbnail.jpg"


def output_key(user: str, job: str, attempt: int, name: str) -> str:
    """The key of one attempt's result. The attempt is in it so that two workers never write the same object."""
    if attempt < 1:
        raise InputError(f"The attempt number {attempt} is not a counting number.")
    return check_key(f"{output_prefix(user, job)}attempt-{attempt}/{sanitize_name(name)}")


def attempt_prefix(key: str) -> str:
    """The prefix of everything made by the attempt that made this object."""
    return key.rpartition("/")[0] + "/"
