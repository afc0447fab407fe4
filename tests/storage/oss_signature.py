"""OSS V4 signatures as the server checks them, written from the published rules, not from a client's code."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, unquote

ALGORITHM = "OSS4-HMAC-SHA256"
MAX_SKEW = timedelta(minutes=15)
MAX_EXPIRES = 7 * 24 * 3600


@dataclass(frozen=True)
class Account:
    """A known access key; `token` and `token_expires` for one handed out by STS."""

    secret: str
    token: str = ""
    token_expires: datetime | None = None


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str = "", extra: str = ""):
        super().__init__(code)
        self.status, self.code, self.message, self.extra = status, code, message, extra


def encode(text: str, safe: str = "") -> str:
    return quote(text, safe="-_.~" + safe)


def canonical_query(pairs: list[tuple[str, str]]) -> str:
    encoded = sorted((encode(k), encode(v)) for k, v in pairs)
    return "&".join(f"{k}={v}" if v else k for k, v in encoded)


def parse_query(raw: str) -> list[tuple[str, str]]:
    pairs = (pair.partition("=") for pair in raw.split("&") if pair)
    return [(unquote(k), unquote(v)) for k, _, v in pairs]


def verify(
    method: str,
    resource: str,
    raw_query: str,
    headers: dict[str, str],
    accounts: dict[str, Account],
    region: str,
    now: datetime,
) -> str | None:
    """The access key id that signed the request; None when it is not signed at all. Raises Refused.

    resource: `/bucket/key`, decoded. headers: names in lower case.
    """
    pairs = parse_query(raw_query)
    query = dict(pairs)
    if len(query) != len(pairs):
        raise Refused(400, "InvalidArgument", "a query parameter is given twice")
    authorization = headers.get("authorization")
    if authorization is not None and "x-oss-signature" in query:
        raise Refused(400, "InvalidRequest", "signed both in header and in query")
    if authorization is not None:
        return _verify_header(method, resource, pairs, headers, authorization, accounts, region, now)
    if "x-oss-signature" in query:
        return _verify_query(method, resource, pairs, headers, accounts, region, now)
    return None


def _verify_header(method, resource, pairs, headers, authorization, accounts, region, now) -> str:
    scheme, _, rest = authorization.partition(" ")
    if scheme != ALGORITHM:
        raise Refused(403, "InvalidRequest", "only V4 signatures are accepted")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if headers.get("x-oss-content-sha256") != "UNSIGNED-PAYLOAD":
        raise Refused(400, "InvalidArgument", "x-oss-content-sha256")
    signed_at = _time(headers.get("x-oss-date", ""))
    if abs(now - signed_at) > MAX_SKEW:
        raise Refused(403, "RequestTimeTooSkewed", "the request's time is too far from the server's")
    return _check(
        method, resource, pairs, headers, fields.get("Credential", ""), fields.get("AdditionalHeaders", ""),
        fields.get("Signature", ""), headers.get("x-oss-security-token", ""), signed_at, accounts, region, now,
    )  # fmt: skip


def _verify_query(method, resource, pairs, headers, accounts, region, now) -> str:
    query = dict(pairs)
    if query.get("x-oss-signature-version") != ALGORITHM:
        raise Refused(403, "InvalidRequest", "only V4 signatures are accepted")
    signed_at = _time(query.get("x-oss-date", ""))
    expires = query.get("x-oss-expires", "")
    if not expires.isdigit() or not 1 <= int(expires) <= MAX_EXPIRES:
        raise Refused(400, "AuthorizationQueryParametersError", "x-oss-expires")
    if signed_at - now > MAX_SKEW:
        raise Refused(403, "RequestTimeTooSkewed")
    if now > signed_at + timedelta(seconds=int(expires)):
        raise Refused(403, "AccessDenied", "Request has expired.")
    unsigned = [(k, v) for k, v in pairs if k != "x-oss-signature"]
    return _check(
        method, resource, unsigned, headers, query.get("x-oss-credential", ""),
        query.get("x-oss-additional-headers", ""), query["x-oss-signature"], query.get("x-oss-security-token", ""),
        signed_at, accounts, region, now,
    )  # fmt: skip


def _check(
    method, resource, pairs, headers, credential, additional, signature, token, signed_at, accounts, region, now
) -> str:
    try:
        key_id, date, got_region, product, terminator = credential.split("/")
    except ValueError:
        raise Refused(400, "AuthorizationHeaderMalformed", "Credential") from None
    if (date, got_region, product, terminator) != (f"{signed_at:%Y%m%d}", region, "oss", "aliyun_v4_request"):
        raise Refused(403, "SignatureDoesNotMatch", "the credential's scope is not of this day and region")
    account = accounts.get(key_id)
    if account is None:
        raise Refused(403, "InvalidAccessKeyId", "unknown access key")
    if not hmac.compare_digest(token, account.token):
        raise Refused(403, "InvalidSecurityToken", "the token does not belong to the access key")
    if account.token_expires is not None and now >= account.token_expires:
        raise Refused(403, "SecurityTokenExpired", "the token has expired")
    extra = [name for name in additional.split(";") if name]
    if extra != sorted(extra) or any(name not in headers for name in extra):
        raise Refused(403, "SignatureDoesNotMatch", "AdditionalHeaders")
    signed = {
        k: v.strip()
        for k, v in headers.items()
        if k.startswith("x-oss-") or k in ("content-type", "content-md5") or k in extra
    }
    canonical = "\n".join(
        [
            method,
            encode(resource, safe="/"),
            canonical_query(pairs),
            "".join(f"{k}:{v}\n" for k, v in sorted(signed.items())),
            ";".join(extra),
            "UNSIGNED-PAYLOAD",
        ]
    )
    to_sign = "\n".join(
        [
            ALGORITHM,
            f"{signed_at:%Y%m%dT%H%M%SZ}",
            f"{date}/{region}/oss/aliyun_v4_request",
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )
    key = ("aliyun_v4" + account.secret).encode()
    for text in (date, region, "oss", "aliyun_v4_request"):
        key = hmac.new(key, text.encode(), hashlib.sha256).digest()
    expected = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        # Like the real server, the answer quotes the signed request; a client must not print it.
        quoted = f"<StringToSign>{to_sign}</StringToSign><CanonicalRequest>{encode(canonical)}</CanonicalRequest>"
        raise Refused(403, "SignatureDoesNotMatch", "the signature does not match", quoted)
    return key_id


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise Refused(403, "AccessDenied", "x-oss-date is missing or malformed") from None
