"""JSON from strangers: small, shallow, and only values that every later step can store.

`json.loads` lets through what a later step cannot take: NaN and infinities, numbers beyond 64 bits, names
given twice, thousands of nested brackets, half of a surrogate pair, NUL characters. Knows no models.
"""

import json
import math
import re
from typing import Any

from sonic_core.errors import InputError

MAX_BYTES = 64 << 10
MAX_DEPTH = 16
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def parse_json(body: bytes | str, what: str) -> Any:
    """The value of a JSON text, `what` names it in messages. Raises InputError."""
    text = _decoded(body, what)
    if _depth(text) > MAX_DEPTH:
        raise InputError(f"The {what} is nested more than {MAX_DEPTH} levels deep.")
    try:
        value = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_float, parse_int=_int, object_pairs_hook=_object
        )
    except InputError as error:
        raise InputError(f"The {what} cannot be used: {error}") from None
    except (ValueError, RecursionError):
        raise InputError(f"The {what} is not JSON.") from None
    _check_texts(value, what)
    return value


def _decoded(body: bytes | str, what: str) -> str:
    if len(body) > MAX_BYTES:
        raise InputError(f"The {what} has {len(body)} bytes; at most {MAX_BYTES} are accepted.")
    try:
        return body if isinstance(body, str) else body.decode()
    except UnicodeDecodeError:
        raise InputError(f"The {what} is not UTF-8.") from None


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in _STRING.sub("", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _check_texts(value: Any, what: str) -> None:
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise InputError(f"The {what} holds a NUL character or half of a surrogate pair.")
    elif isinstance(value, list):
        for item in value:
            _check_texts(item, what)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_texts(name, what)
            _check_texts(item, what)


def _refuse_constant(name: str) -> Any:
    raise InputError(f"{name} is not a number.")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InputError(f"{text[:20]} is too large a number.")
    return value


def _int(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= (value := int(text)) < 2**63:
        raise InputError(f"{text[:20]} is too large a number.")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InputError("a name is given twice.")
    return found
