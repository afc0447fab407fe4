"""`SONIC_PreData` is also a node id of the ComfyUI_Sonic wrapper. Where both are installed, one log line says so."""

from __future__ import annotations

import logging
import sys
from typing import Any

logger = logging.getLogger("sonic_studio")
NODE_ID = "SONIC_PreData"

_said: set[str] = set()


def say_if_replaced(ours: type) -> None:
    """Log one line when another pack has the same node id: loaded before ours, or since."""
    other = _answering()
    if other is None or other is ours:
        return
    pack = str(getattr(other, "RELATIVE_PYTHON_MODULE", None) or other.__module__).rsplit(".", 1)[-1]
    if pack in _said:
        return
    _said.add(pack)
    answers = "Sonic Studio's answers" if not _loaded(ours) else f"{pack}'s answers, so Sonic Studio's workflows fail"
    logger.warning(
        "Both Sonic Studio and %s have a node %s: %s. Disable the one you do not use "
        "(ComfyUI Manager, or add '.disabled' to its folder in custom_nodes) and restart.",
        pack,
        NODE_ID,
        answers,
    )


def _answering() -> Any:
    core = sys.modules.get("nodes")
    return getattr(core, "NODE_CLASS_MAPPINGS", {}).get(NODE_ID)


def _loaded(node: type) -> bool:
    """Whether ComfyUI has taken the node in already: it names the pack's module on the class when it does."""
    return getattr(node, "RELATIVE_PYTHON_MODULE", None) is not None
