"""Opens the stores of a profile: one for inputs, one for outputs. The only place that knows both kinds."""

from dataclasses import dataclass, replace

from sonic_core.errors import MissingExtraError
from sonic_core.storage.folder import FolderStore
from sonic_core.storage.profiles import Profile
from sonic_core.storage.store import Store


@dataclass(frozen=True)
class Stores:
    """The two stores of a profile; the same one twice where there is one bucket or a folder."""

    inputs: Store
    outputs: Store
    link_seconds: int

    def of(self, key: str) -> Store:
        return self.inputs if key.startswith("inputs/") else self.outputs


def open_stores(profile: Profile, base_url: str | None = None) -> Stores:
    """Stores for a profile. `base_url`: where our service answers, for links to a folder store."""
    if profile.kind == "folder":
        store = FolderStore(profile.folder, base_url)
        return Stores(store, store, profile.link_seconds)
    outputs = replace(profile, bucket=profile.output_bucket or profile.bucket)
    if profile.kind == "s3":
        try:
            from sonic_core.storage.s3 import open_s3_store
        except ImportError as error:
            raise MissingExtraError(f"Storage in S3 needs {error.name}: pip install 'sonic-studio[s3]'.") from None
        return Stores(open_s3_store(profile), open_s3_store(outputs), profile.link_seconds)
    try:
        from sonic_core.storage.oss import open_oss_store
    except ImportError as error:
        raise MissingExtraError(f"Storage in OSS needs {error.name}: pip install oss2 tenacity.") from None
    return Stores(open_oss_store(profile), open_oss_store(outputs), profile.link_seconds)
