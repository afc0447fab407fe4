"""CRC64 against the published check value and a plain bitwise implementation."""

from hypothesis import given
from hypothesis import strategies as st

from sonic_core.storage.crc64 import combine, crc64, crc64_of_file


def bitwise(data: bytes) -> int:
    register = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0xC96C5795D7870F42 if register & 1 else 0)
    return register ^ 0xFFFFFFFFFFFFFFFF


def test_published_check_value():
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA
    assert crc64(b"") == 0


@given(st.binary(max_size=64), st.binary(max_size=64), st.integers(0, 130))
def test_like_bitwise_continued_and_combined(first, second, repeat):
    first = first * repeat
    whole = bitwise(first + second)
    assert crc64(first + second) == whole
    assert crc64(second, crc64(first)) == whole
    assert combine(crc64(first), crc64(second), len(second)) == whole


def test_file(tmp_path):
    data = bytes(range(256)) * 5000 + b"tail"
    (tmp_path / "x").write_bytes(data)
    assert crc64_of_file(tmp_path / "x") == crc64(data) == crc64(data[777_777:], crc64(data[:777_777]))
