import pytest

from sonic_core.errors import ModelError
from sonic_core.weights.folder import audio_encoder
from sonic_core.weights.json_file import read_json


def test_with_and_without_a_byte_order_mark(tmp_path):
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / "config.json").write_text('{"name": "名"}', encoding=encoding)
        assert read_json(tmp_path / "config.json") == {"name": "名"}


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe{\x00}\x00", b"[" * 100_000, b"<html>"])
def test_what_is_no_json_is_said(tmp_path, data):
    (tmp_path / "bundle.json").write_bytes(data)
    for read in (lambda: read_json(tmp_path / "bundle.json"), lambda: audio_encoder(tmp_path)):
        with pytest.raises(ModelError, match=r"bundle\.json cannot be read as JSON .*; download it again"):
            read()


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        read_json(tmp_path / "config.json")
