"""Reads the small JSON files of a model folder, which editors on Windows save with a byte order mark."""

import json
from pathlib import Path
from typing import Any

from sonic_core.errors import ModelError


def read_json(path: Path) -> Any:
    """What the file holds. Raises ModelError for one that cannot be read or is no JSON in UTF-8."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read as JSON ({error}); download it again") from error
