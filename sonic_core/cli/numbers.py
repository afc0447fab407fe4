"""Number types for options. argparse prints what they raise in one line, after the name of the option."""

from __future__ import annotations

import argparse
import math


def count(text: str) -> int:
    """A whole number from 0."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not a whole number from 0")
    return int(text)


def above_0(text: str) -> float:
    """A number above 0, and not infinite."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not a number above 0")
    return value
