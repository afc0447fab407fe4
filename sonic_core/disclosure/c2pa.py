"""Signs a finished file with C2PA content credentials, and reads those a file carries.

Needs the extra `provenance` (c2pa-python), imported when used. Without a certificate of the user's, one is made on
the spot: the signature then proves that nobody changed the file since, but not who made it. Signing comes last: any
later change to the file breaks the signature.
"""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonic_core.errors import InputError, MissingExtraError, OutputError
from sonic_core.media.files import existing_file, written_whole

GENERATOR = "Sonic Studio"
TRAINED_ALGORITHM = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
# A real video with parts of it made by AI, such as a dubbed one.
EDITED_BY_ALGORITHM = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
PARENT_ID = "parent"  # of the ingredient, within a manifest
FORMATS = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".avi": "video/avi"}
# Nothing is fetched: no manifests that a file points to, no revocation lists.
OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
MAX_PEM_BYTES = 100_000


@dataclass(frozen=True)
class Credentials:
    """A certificate chain (PEM, leaf first) and its private key (PEM, PKCS 8, not encrypted)."""

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Credentials(...)"  # keys do not belong in logs


def load_credentials(chain: str | os.PathLike[str], key: str | os.PathLike[str]) -> Credentials:
    """The user's own credentials, from PEM files. Raises InputError for files that hold none, MissingExtraError."""
    _c2pa()  # said now, before there is a video to sign
    contents = []
    for path, what, mark in ((chain, "certificate", b"CERTIFICATE"), (key, "private key", b"PRIVATE KEY")):
        file = existing_file(path, what)
        content = file.read_bytes() if file.stat().st_size <= MAX_PEM_BYTES else b""
        if mark not in content or b"ENCRYPTED" in content:
            raise InputError(
                f"{what} {str(file)!r} is not an unencrypted PEM file with a {mark.decode()}; export it as one"
            )
        contents.append(content)
    _algorithm(contents[1])
    return Credentials(*contents)


def self_made_credentials(organisation: str = GENERATOR, days: int = 365) -> Credentials:
    """A new P-256 certificate with its own authority (C2PA does not accept a self-signed certificate)."""
    _c2pa()  # brings cryptography with it
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.timezone.utc)
    authority_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def name(role: str) -> x509.Name:
        oid = x509.NameOID
        return x509.Name(
            [x509.NameAttribute(oid.ORGANIZATION_NAME, organisation), x509.NameAttribute(oid.COMMON_NAME, role)]
        )

    def certificate(role: str, key: Any, is_authority: bool) -> x509.Certificate:
        usage = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(role))
            .issuer_name(name("self-made authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority, **usage
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )
        if not is_authority:
            emails = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(emails, critical=False)
        return builder.sign(authority_key, hashes.SHA256())

    pem = serialization.Encoding.PEM
    chain = certificate("signer", leaf_key, False).public_bytes(pem)
    chain += certificate("self-made authority", authority_key, True).public_bytes(pem)
    key = leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Credentials(chain, key)


def sign(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    credentials: Credentials | None = None,
    title: str | None = None,
    parent: str | os.PathLike[str] | None = None,
) -> Path:
    """Write `target`: the file `source` with a manifest that says it was made by a trained algorithm.

    Both paths may be the same. `parent` is the video it was made from: the manifest then says that AI changed it, and
    keeps the parent's own credentials as an ingredient where C2PA reads its format. Raises MissingExtraError,
    InputError for credentials that cannot sign, OutputError.
    """
    c2pa = _c2pa()
    file = existing_file(source, "video")
    credentials = credentials or self_made_credentials()
    ingredient = Path(parent) if parent is not None and Path(parent).suffix.lower() in FORMATS else None
    manifest = {
        "claim_generator_info": [{"name": GENERATOR}],
        "title": title or Path(target).name,
        "format": "video/mp4",
        "assertions": [
            {
                "label": "c2pa.actions",
                "data": {"actions": _actions(parent is not None, ingredient is not None)},
            }
        ],
    }
    context = c2pa.Context(c2pa.Settings.from_dict(OFFLINE))
    try:
        info = c2pa.C2paSignerInfo(_algorithm(credentials.key), credentials.chain, credentials.key, None)
        signer = c2pa.Signer.from_info(info)
    except c2pa.C2paError as error:
        raise InputError(f"the certificate cannot sign ({error}); give a PEM chain and its private key") from error
    with written_whole(target) as temporary, signer, c2pa.Builder(manifest, context) as builder:
        try:
            if ingredient is not None:
                _add_parent(builder, ingredient)
            with open(file, "rb") as stream, open(temporary, "w+b") as out:
                builder.sign(signer, "video/mp4", stream, out)
        except c2pa.C2paError as error:
            raise OutputError(
                f"{str(file)!r} cannot be signed ({error}); give an MP4 and a certificate for signing"
            ) from error
    return Path(target)


def _actions(is_edited: bool, has_ingredient: bool) -> list[dict[str, Any]]:
    if not has_ingredient:
        kind = EDITED_BY_ALGORITHM if is_edited else TRAINED_ALGORITHM
        return [{"action": "c2pa.created", "digitalSourceType": kind}]
    return [
        {"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT_ID]}},
        {"action": "c2pa.edited", "digitalSourceType": EDITED_BY_ALGORITHM},
    ]


def _add_parent(builder: Any, parent: Path) -> None:
    """Name the parent video as an ingredient, with the credentials it carries."""
    ingredient = {"title": parent.name, "relationship": "parentOf", "instance_id": PARENT_ID}
    with open(existing_file(parent, "video"), "rb") as stream:
        builder.add_ingredient(json.dumps(ingredient), FORMATS[parent.suffix.lower()], stream)


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The validation state and claims of a file's content credentials, None when it carries none.

    Keys: state ("Valid": unchanged since signing by somebody unknown, "Trusted", "Invalid"), issuer, generator,
    made_by_ai, made_from (names of the videos it was made from), problems (codes other than an untrusted issuer).
    Raises MissingExtraError.
    """
    c2pa = _c2pa()
    file = existing_file(path, "video")
    context = c2pa.Context(c2pa.Settings.from_dict(OFFLINE))
    try:
        with open(file, "rb") as stream:
            reader = c2pa.Reader.try_create("video/mp4", stream, context=context)
            if reader is None:
                return None
            with reader:
                report = json.loads(reader.json())
    except c2pa.C2paError as error:
        return {"state": "Invalid", "problems": [str(error)]}
    manifest = report["manifests"][report["active_manifest"]]
    claims = json.dumps(manifest.get("assertions", []))
    failures = [status["code"] for status in report.get("validation_status", [])]
    return {
        "state": report.get("validation_state"),
        "issuer": manifest.get("signature_info", {}).get("issuer"),
        "generator": ", ".join(info.get("name", "") for info in manifest.get("claim_generator_info", [])),
        "made_by_ai": any(kind in claims for kind in (TRAINED_ALGORITHM, EDITED_BY_ALGORITHM)),
        "made_from": [ingredient.get("title", "") for ingredient in manifest.get("ingredients", [])],
        "problems": [code for code in failures if code != "signingCredential.untrusted"],
    }


def _algorithm(key: bytes) -> bytes:
    """C2PA's name for the signature algorithm of a private key."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(key, None)
    except ValueError as error:
        raise InputError("the private key cannot be read; give an unencrypted PEM file") from error
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _CURVES:
        return _CURVES[private.curve.name]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return b"ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return b"ps256"
    raise InputError("the private key is of a kind C2PA does not take; give P-256, P-384, P-521, Ed25519 or RSA")


_CURVES = {"secp256r1": b"es256", "secp384r1": b"es384", "secp521r1": b"es512"}


def _c2pa() -> Any:
    try:
        import c2pa
    except ImportError as error:
        raise MissingExtraError(
            "content credentials need the package c2pa-python; install it with: pip install .[provenance]"
        ) from error
    return c2pa
