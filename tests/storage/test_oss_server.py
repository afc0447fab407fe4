"""Is the strict server right? It must accept the vendor's newer SDK, an independent client, and refuse its twins."""

import datetime
import io

import httpx
import pytest
from oss_signature import Account, Refused, verify

from sonic_core.storage.credentials import Credentials

vendor = pytest.importorskip("alibabacloud_oss_v2")

AWKWARD = ["plain.mp4", "a b+c&d=e?f#g%20h.mp4", "声音/日本語.flac", "~!*'();:@$,[].x", "inputs/u/j/x.wav"]


@pytest.fixture
def client(oss_server):
    def make(key_id="TESTKEY", secret="canary-secret-4711", token=None, region="cn-hangzhou"):
        config = vendor.config.load_default()
        config.credentials_provider = vendor.credentials.StaticCredentialsProvider(key_id, secret, token)
        config.region, config.endpoint = region, oss_server.endpoint
        config.retry_max_attempts = 1
        config.use_path_style = True
        return vendor.Client(config)

    return make


@pytest.mark.parametrize("key", AWKWARD)
def test_vendor_sdk_is_accepted(client, oss_server, key):
    answer = client().put_object(
        vendor.PutObjectRequest(bucket="materials", key=key, body=b"data", forbid_overwrite=True)
    )
    assert answer.status_code == 200
    got = client().get_object(vendor.GetObjectRequest(bucket="materials", key=key))
    assert got.body.content == b"data"
    listed = client().list_objects_v2(vendor.ListObjectsV2Request(bucket="materials", prefix=key[:3]))
    assert [o.key for o in listed.contents] == [key]
    client().delete_object(vendor.DeleteObjectRequest(bucket="materials", key=key))
    assert oss_server.buckets["materials"].objects == {} and oss_server.refused == []


def test_vendor_multipart_and_forbid_overwrite(client, oss_server):
    sdk = client()
    upload = sdk.initiate_multipart_upload(vendor.InitiateMultipartUploadRequest(bucket="materials", key="v"))
    parts = []
    for number, data in ((1, b"x" * 102_400), (2, b"tail")):
        sent = sdk.upload_part(
            vendor.UploadPartRequest(
                bucket="materials", key="v", upload_id=upload.upload_id, part_number=number, body=io.BytesIO(data)
            )
        )
        parts.append(vendor.UploadPart(part_number=number, etag=sent.etag))
    request = vendor.CompleteMultipartUploadRequest(
        bucket="materials",
        key="v",
        upload_id=upload.upload_id,
        complete_multipart_upload=vendor.CompleteMultipartUpload(parts=parts),
    )
    assert sdk.complete_multipart_upload(request).status_code == 200
    assert oss_server.buckets["materials"].visible() == {"v": b"x" * 102_400 + b"tail"}
    with pytest.raises(vendor.exceptions.OperationError, match="FileAlreadyExists"):
        sdk.put_object(vendor.PutObjectRequest(bucket="materials", key="v", body=b"", forbid_overwrite=True))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "wrong"}, "SignatureDoesNotMatch"),
        ({"key_id": "NOBODY"}, "InvalidAccessKeyId"),
        ({"token": "made-up"}, "InvalidSecurityToken"),
        ({"region": "cn-beijing"}, "SignatureDoesNotMatch"),
    ],
)
def test_vendor_sdk_with_wrong_credentials_is_refused(client, change, code):
    with pytest.raises(vendor.exceptions.OperationError, match=code):
        client(**change).put_object(vendor.PutObjectRequest(bucket="materials", key="a", body=b""))


@pytest.mark.parametrize("key", AWKWARD)
def test_presigned_links_of_both_sdks(client, make_oss_store, oss_server, key):
    """The same link from both SDKs, accepted; each of its twins with one thing changed refused."""
    oss_server.accounts["STS.9"] = Account("s9", "tok/en+=1", oss_server.now() + datetime.timedelta(hours=1))

    class Provider:
        def get_credentials(self):
            return Credentials("STS.9", "s9", "tok/en+=1")

    make_oss_store(Provider()).put(key, b"data")
    expires = datetime.timedelta(seconds=600.9)  # the vendor cuts the fraction after some microseconds
    theirs = client("STS.9", "s9", "tok/en+=1").presign(
        vendor.GetObjectRequest(bucket="materials", key=key), expires=expires
    )
    ours = make_oss_store(Provider()).sign(key, seconds=600)
    assert httpx.get(theirs.url).content == b"data" and httpx.get(ours).content == b"data"
    if _query(ours)["x-oss-date"] == _query(theirs.url)["x-oss-date"]:
        assert _query(ours)["x-oss-signature"] == _query(theirs.url)["x-oss-signature"]
    for name, value in _query(ours).items():
        bent = ours.replace(f"{name}={value}", f"{name}={value[:-1]}{'1' if value[-1] != '1' else '2'}")
        assert bent != ours and httpx.get(bent).status_code in (400, 403), name
    assert httpx.head(ours).status_code == 403 and httpx.get(ours + "&response-content-type=x").status_code == 403


def _query(url):
    return dict(pair.split("=", 1) for pair in url.split("?", 1)[1].split("&"))


def test_a_signed_request_with_one_header_changed_is_refused():
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    with pytest.raises(Refused, match="RequestTimeTooSkewed"):
        verify(
            "GET",
            "/b/k",
            "",
            {"authorization": "OSS4-HMAC-SHA256 Credential=x", "x-oss-date": "20260101T001501Z",
             "x-oss-content-sha256": "UNSIGNED-PAYLOAD"},
            {},
            "r",
            now,
        )  # fmt: skip
    with pytest.raises(Refused, match="InvalidRequest"):
        verify("GET", "/b/k", "", {"authorization": "OSS key:signature"}, {}, "r", now)
    assert verify("GET", "/b/k", "", {}, {}, "r", now) is None


def test_body_that_does_not_match_its_md5_is_refused(make_oss_store):
    store = make_oss_store(attempts=1)
    with pytest.raises(Exception, match="InvalidDigest"):
        store.bucket.put_object("a", b"other", headers={"Content-MD5": "rL0Y20zC+Fzt72VPzMSk2A=="})


def test_small_parts_are_refused(make_oss_store):
    bucket = make_oss_store().bucket
    upload = bucket.init_multipart_upload("a").upload_id
    import oss2

    parts = [oss2.models.PartInfo(n, bucket.upload_part("a", upload, n, b"tiny").etag) for n in (1, 2)]
    with pytest.raises(oss2.exceptions.ServerError, match="EntityTooSmall"):
        bucket.complete_multipart_upload("a", upload, parts)
