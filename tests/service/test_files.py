"""Attacks by names and paths: nothing that comes with a request names a place on disk."""

import json
import stat
from pathlib import Path

import pytest
from live_server import authorization, everything_below, raw

from sonic_core.service.app import PAGE

CONSENT = {"agreed": True, "subject": "s-1", "purpose": "a greeting"}


@pytest.mark.parametrize(
    "name",
    ["{place}/owned", "../../owned", "image/../../owned", "..", ".", "", "image\\..\\owned", "%2e%2e/owned", "owned"],
)
def test_no_field_of_a_form_names_a_place_on_disk(client, tmp_path, monkeypatch, name):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    before = everything_below(tmp_path), (PAGE / "app.js").read_bytes()
    field = name.format(place=tmp_path)
    body = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="x.py"\r\n\r\npayload\r\n--x--\r\n'
    answer = client.post("/jobs", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 400, answer.text
    assert (everything_below(tmp_path), (PAGE / "app.js").read_bytes()) == before


@pytest.mark.parametrize(
    "filename", ["../../x.py", "/etc/x.png", "x.\0png", "a" * 5000 + ".png", ".htaccess", "", "con.png"]
)
def test_the_name_of_a_file_decides_nothing(post, client, stores, portrait, speech, filename):
    files = [("image", (filename or "x", portrait.read_bytes())), ("audio", ("s.wav", speech.read_bytes()))]
    answer = client.post("/jobs", files=files, data={"consent": json.dumps(CONSENT)})
    assert answer.status_code in (202, 400)
    if answer.status_code == 202:
        keys = {info.key.rsplit("/", 1)[1] for info in stores.inputs.list("inputs/")}
        assert keys == {"image-image.png", "audio-audio", "thumbnail.jpg"}


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/files/..%2f..%2fledger.sqlite?expires=9999999999&signature=x",
        "/files/" + "a" * 400 + "?expires=9999999999&signature=x",
        "/files/inputs?expires=99999999999999999999999&signature=%C3%A9",
        "/static/%00",
        "/jobs/%00",
        "/jobs/..%2f..",
        "/files/%0a?expires=1&signature=x",
        "/jobs/%ff",
        "/jobs/" + "x" * 3000,
    ],
)
def test_no_path_leads_out(url, client, path):
    assert 400 <= raw(url, f"GET {path} HTTP/1.1\r\nHost: x\r\n{authorization(client)}\r\n\r\n")[0] < 500


def test_the_ledger_and_the_store_are_private(tmp_path, post, service):
    post()
    for path in [Path(service.ledger.engine.url.database), *tmp_path.glob("ledger.sqlite-*")]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for path in everything_below(tmp_path / "objects"):
        assert not path.stat().st_mode & 0o077, path


def test_errors_of_the_database_do_not_quote_what_is_in_it(service):
    import sqlalchemy as sa

    with pytest.raises(sa.exc.SQLAlchemyError) as caught, service.ledger.engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO consents (id) VALUES (:id)"), {"id": "the-subject-of-a-consent"})
    assert "the-subject-of-a-consent" not in str(caught.value)
