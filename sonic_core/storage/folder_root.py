"""Where things lie in a folder store, and the signatures of the links to them."""

import hashlib
import hmac
import logging
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from sonic_core.errors import InputError
from sonic_core.storage.keys import check_key
from sonic_core.storage.store import temporary_file

logger = logging.getLogger(__name__)


class FolderRoot:
    """A folder store's root: places below it, and links that are signed with its secret.

    `base_url` is where our service answers, for links.
    """

    def __init__(self, root: Path | str, base_url: str | None = None, clock: Callable[[], float] = time.time):
        self.root = Path(root).expanduser().resolve()
        self.base_url = base_url.rstrip("/") if base_url else None
        self.clock = clock

    def path_of(self, key: str) -> Path:
        return self.confined(self.root / "objects", check_key(key))

    @property
    def parts(self) -> Path:
        return self.root / "parts"

    def parts_of(self, key: str) -> Path:
        """The folder for unfinished uploads of a key, named after the key so that they can be found."""
        return self.confined(self.parts, check_key(key))

    @staticmethod
    def confined(base: Path, key: str) -> Path:
        path = (base / key).resolve()
        if base.resolve() not in (path, *path.parents):
            raise InputError(f"The object key {key[:100]!r} leads out of the store.")
        return path

    def sign_use(self, key: str, seconds: int, about: str, use: str) -> tuple[int, str]:
        """When a link for an upload expires, and its signature. `use`: "upload", or "part" of one."""
        if self.base_url is None:
            raise InputError("A folder takes uploads through the service only.")
        self.path_of(key)
        expires = int(self.clock()) + seconds
        return expires, self.signature(key, expires, about, use)

    def verify_use(self, key: str, expires: int, about: str | None, use: str, signature: str) -> None:
        """Raises InputError unless the signature is ours for this use and the link still holds."""
        self.path_of(key)
        ours = self.signature(key, expires, about, use)
        if not hmac.compare_digest(ours.encode(), signature.encode()):
            raise InputError("The link's signature does not fit it.")
        if expires < self.clock():
            raise InputError("The link has expired; ask for a new one.")

    def signature(self, key: str, expires: int, more: str | None, use: str = "link") -> str:
        text = "\n".join([f"sonic-folder-{use}-1", key, str(expires), more or ""])
        return hmac.new(self._secret(), text.encode(), hashlib.sha256).hexdigest()

    def _secret(self) -> bytes:
        path = self.root / "link-secret"
        if not path.exists():
            with temporary_file(path) as (file, temporary):
                file.write(secrets.token_bytes(32))
                file.close()
                try:
                    os.link(temporary, path)  # readable by its owner only
                except FileExistsError:
                    logger.debug("another process made the link secret first")
        return path.read_bytes()
