"""What all nodes share: a schema that older cores accept too, work that can be cancelled, checked choices."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import Any, ClassVar

from comfy_api.latest import io

from sonic_core.errors import InputError, MissingExtraError, SonicError

from . import work
from .words import with_advice

CATEGORY = "Sonic Studio"
# What people type who look for a pack like this one: for the nodes every talking video needs.
TALKING = [
    "talking head",
    "avatar",
    "lip sync",
    "lipsync",
    "speak",
    "portrait",
    "digital human",
    "数字人",
    "口型",
]
WIDGETS = {"COMBO", "INT", "FLOAT", "STRING", "BOOLEAN"}
_KNOWN = {field.name for field in fields(io.Schema)}


def schema(**described: Any) -> io.Schema:
    """The schema of a node of this pack. Fields that the installed core does not know yet are left out."""
    described = {"category": CATEGORY} | described
    return io.Schema(**{name: value for name, value in described.items() if name in _KNOWN})


class SonicNode(io.ComfyNode):
    """A node whose `run(on_step, **inputs)` runs in a thread, so that it can be cancelled at any moment."""

    alone: ClassVar[bool] = True  # whether its work waits for that of other nodes; see `work.cancellable`

    @classmethod
    def execute(cls, **inputs: Any) -> io.NodeOutput:
        check_given(cls, inputs)
        try:
            return work.cancellable(lambda on_step: cls.run(on_step, **inputs), alone=cls.alone)
        except SonicError as error:
            raise with_advice(error) from error
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"this needs the Python package {error.name}; run pip install {error.name} for ComfyUI's Python "
                f"({sys.executable}) and restart ComfyUI"
            ) from error

    @classmethod
    def run(cls, on_step: work.OnStep, **inputs: Any) -> io.NodeOutput:
        raise NotImplementedError


def check_given(node: type[io.ComfyNode], inputs: dict[str, Any]) -> None:
    """Raise InputError for a widget's value of null, which clients send and cores let through."""
    for part in node.define_schema().inputs:
        if part.io_type in WIDGETS and inputs.get(part.id, "") is None:
            raise InputError(f"{part.id} is null; give it a value")


def checked(node: type[io.ComfyNode], **chosen: str | None) -> bool | str:
    """For `validate_inputs`: True, or a sentence about the first value that is not among its widget's options.

    ComfyUI 0.3.64 does not check them. A value that is connected arrives as None and cannot be checked before the run.
    """
    options = {part.id: part.options for part in node.define_schema().inputs if part.io_type == "COMBO"}
    for name, value in chosen.items():
        if value is not None and value not in options[name]:
            return f"{name} is {value!r}; choose one of {', '.join(options[name])}"
    return True
