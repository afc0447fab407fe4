"""Keys: whatever the name, one harmless segment inside its own folder."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.errors import InputError
from sonic_core.storage import keys


@given(st.text(max_size=300))
def test_any_name_becomes_one_harmless_segment(name):
    clean = keys.sanitize_name(name)
    assert 0 < len(clean.encode()) <= keys.MAX_NAME_BYTES
    assert "/" not in clean and "\\" not in clean and ".." not in clean and not clean.startswith(".")
    assert clean.isprintable()
    assert keys.sanitize_name(clean) == clean


@given(st.text(max_size=300), st.integers(1, 10_000))
def test_output_keys_stay_in_their_folder_and_name_their_attempt(name, attempt):
    key = keys.output_key("user-1", "job-1", attempt, name)
    assert posixpath.normpath(key) == key
    assert key.startswith(f"outputs/user-1/job-1/attempt-{attempt}/") and key.count("/") == 4
    assert keys.check_key(key) == key


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\photo.JPG", "photo.JPG"),
        ("我的照片 1.png", "我的照片-1.png"),
        ("", "file"),
        ("...", "file"),
        ("CON.txt", "file-CON.txt"),
        ("a" * 500 + ".flac", "a" * 115 + ".flac"),
    ],
)
def test_names(name, clean):
    assert keys.sanitize_name(name) == clean


@pytest.mark.parametrize(
    "key", ["", "/a", "\\a", "a/../b", "a//b", "a/", "./a", "a/b\\c", "a\x00b", "a\nb", "é" * 512, "a\ud800"]
)
def test_bad_keys_are_refused(key):
    with pytest.raises(InputError):
        keys.check_key(key)


@pytest.mark.parametrize("value", ["", "a/b", "..", "a..b", ".a", "-a", "a b", "é", "a" * 81, "a\n"])
def test_bad_ids_are_refused(value):
    with pytest.raises(InputError):
        keys.check_id(value, "user")


def test_attempts_are_counted_from_one():
    with pytest.raises(InputError):
        keys.output_key("u", "j", 0, "x")
