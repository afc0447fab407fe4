"""The rules recommended for the buckets: what `storage init` sets and `storage check` compares.

Private, public-access block, versioning, referers, lifecycle (inputs to IA after 7 days and Archive after 30,
abandoned multipart uploads deleted after 3 days, replaced versions after 30). Other people's rules in the same
bucket are kept. Knows one bucket at a time, and nothing of its objects.
"""

from collections.abc import Callable
from dataclasses import dataclass

import oss2
from oss2.models import (
    AbortMultipartUpload,
    BucketLifecycle,
    BucketReferer,
    BucketVersioningConfig,
    LifecycleRule,
    NoncurrentVersionExpiration,
    StorageTransition,
)

from sonic_core.storage.oss import OssStore

_ABORT_DAYS, _IA_DAYS, _ARCHIVE_DAYS, _OLD_VERSION_DAYS = 3, 7, 30, 30


@dataclass(frozen=True)
class Rule:
    """One rule: `read` gives what is set and `wanted` what should be, both in words; `write` sets it."""

    name: str
    wanted: str
    read: Callable[[], str]
    write: Callable[[], object]


def rules_for(store: OssStore) -> list[Rule]:
    bucket, profile = store.bucket, store.profile
    public = profile.link == "public"
    acl = oss2.BUCKET_ACL_PUBLIC_READ if public else oss2.BUCKET_ACL_PRIVATE
    block = "false" if public else "true"
    referers = BucketReferer(True, list(profile.referers))
    # The block comes first where it is lifted: OSS refuses a public ACL under it.
    return [
        Rule(
            "public-access block", block, lambda: _block(bucket), lambda: bucket.put_bucket_public_access_block(block)
        ),
        Rule("access", acl, lambda: bucket.get_bucket_acl().acl, lambda: bucket.put_bucket_acl(acl)),
        Rule(
            "versioning",
            "Enabled",
            lambda: bucket.get_bucket_versioning().status or "off",
            lambda: bucket.put_bucket_versioning(BucketVersioningConfig("Enabled")),
        ),
        Rule(
            "referers",
            _referer_words(referers),
            lambda: _referer_words(bucket.get_bucket_referer()),
            lambda: bucket.put_bucket_referer(referers),
        ),
        *[_lifecycle_rule(bucket, rule) for rule in _lifecycle(profile.prefix)],
    ]


def differences(store: OssStore) -> list[str]:
    """One sentence for each rule that is not as recommended."""
    found = []
    for rule in rules_for(store):
        actual = store.call(rule.read, f"rule {rule.name}")
        if actual != rule.wanted:
            found.append(f"{store.bucket.bucket_name}: {rule.name} is {actual}; recommended is {rule.wanted}")
    return found


def apply(store: OssStore) -> list[str]:
    """Sets each rule that differs; returns what was changed."""
    changed = []
    for rule in rules_for(store):
        if store.call(rule.read, f"rule {rule.name}") != rule.wanted:
            store.call(rule.write, f"rule {rule.name}")
            changed.append(f"{store.bucket.bucket_name}: {rule.name} set to {rule.wanted}")
    return changed


def _lifecycle(prefix: str) -> list[LifecycleRule]:
    common = {
        "abort_multipart_upload": AbortMultipartUpload(days=_ABORT_DAYS),
        "noncurrent_version_expiration": NoncurrentVersionExpiration(_OLD_VERSION_DAYS),
    }
    transitions = [
        StorageTransition(days=_IA_DAYS, storage_class=oss2.BUCKET_STORAGE_CLASS_IA),
        StorageTransition(days=_ARCHIVE_DAYS, storage_class=oss2.BUCKET_STORAGE_CLASS_ARCHIVE),
    ]
    return [
        LifecycleRule("sonic-inputs", f"{prefix}inputs/", storage_transitions=transitions, **common),
        LifecycleRule("sonic-outputs", f"{prefix}outputs/", **common),
    ]


def _lifecycle_rule(bucket: oss2.Bucket, wanted: LifecycleRule) -> Rule:
    def read() -> str:
        mine = [rule for rule in _read_lifecycle(bucket) if rule.id == wanted.id]
        return _lifecycle_words(mine[0]) if mine else "not set"

    def write() -> None:
        others = [rule for rule in _read_lifecycle(bucket) if rule.id != wanted.id]
        bucket.put_bucket_lifecycle(BucketLifecycle([*others, wanted]))

    return Rule(f"lifecycle {wanted.id}", _lifecycle_words(wanted), read, write)


def _read_lifecycle(bucket: oss2.Bucket) -> list[LifecycleRule]:
    try:
        return bucket.get_bucket_lifecycle().rules
    except oss2.exceptions.NoSuchLifecycle:
        return []


def _lifecycle_words(rule: LifecycleRule) -> str:
    words = [f"{rule.prefix or 'everything'}"]
    words += [f"to {t.storage_class} after {t.days} days" for t in rule.storage_transitions or []]
    if rule.abort_multipart_upload:
        words.append(f"multipart aborted after {rule.abort_multipart_upload.days}")
    if rule.noncurrent_version_expiration:
        words.append(f"old versions deleted after {rule.noncurrent_version_expiration.noncurrent_days}")
    return ", ".join([*words, rule.status])


def _referer_words(referer: BucketReferer) -> str:
    return f"{', '.join(referer.referers) or 'any'} (empty {'allowed' if referer.allow_empty_referer else 'refused'})"


def _block(bucket: oss2.Bucket) -> str:
    return "true" if bucket.get_bucket_public_access_block().block_public_access else "false"
