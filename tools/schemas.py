"""What the nodes take and give, as /object_info tells of them; for the generators of workflows."""

from __future__ import annotations

from typing import Any

import stand_in

FRONT_END_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN", "AUDIO_RECORD")

# The core nodes in use, as /object_info tells of them; the front end knows the rest.
CORE: dict[str, dict[str, Any]] = {
    "LoadImage": {
        "input": {"required": {"image": ("COMBO", {})}},
        "output": ["IMAGE", "MASK"],
        "output_name": ["IMAGE", "MASK"],
    },
    "LoadVideo": {
        "input": {"required": {"file": ("COMBO", {})}},
        "output": ["VIDEO"],
        "output_name": ["VIDEO"],
    },
    "LoadAudio": {
        "input": {"required": {"audio": ("COMBO", {})}},
        "output": ["AUDIO"],
        "output_name": ["AUDIO"],
    },
    "PrimitiveStringMultiline": {
        "input": {"required": {"value": ("STRING", {"multiline": True})}},
        "output": ["STRING"],
        "output_name": ["STRING"],
    },
    "RecordAudio": {
        "input": {"required": {"audio": ("AUDIO_RECORD", {})}},
        "output": ["AUDIO"],
        "output_name": ["AUDIO"],
    },
    "PreviewImage": {"input": {"required": {"images": ("IMAGE", {})}}, "output": [], "output_name": []},
    "PreviewAny": {"input": {"required": {"source": ("*", {})}}, "output": [], "output_name": []},
    "SaveVideo": {
        "input": {
            "required": {
                "video": ("VIDEO", {}),
                "filename_prefix": ("STRING", {"default": "video/ComfyUI"}),
                "format": ("COMBO", {"default": "auto"}),
                "codec": ("COMBO", {"default": "auto"}),
            }
        },
        "output": [],
        "output_name": [],
    },
}


def info_of(kind: str) -> dict[str, Any]:
    return CORE[kind] if kind in CORE else pack_info()[kind]


def pack_info(known: dict[str, Any] = {}) -> dict[str, Any]:  # noqa: B006  # asked for once
    if not known:
        known.update(stand_in.object_info())
    return known


def inputs_of(kind: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Input name -> (type, options), the required ones first, as the front end orders them."""
    given = info_of(kind)["input"]
    return {
        name: (str(entry[0]), entry[1] if len(entry) > 1 else {})
        for part in ("required", "optional")
        for name, entry in given.get(part, {}).items()
    }


def widget_names(kind: str) -> list[str]:
    return [name for name, (type_name, _) in inputs_of(kind).items() if is_widget(type_name)]


def is_widget(type_name: str) -> bool:
    return type_name in FRONT_END_TYPES or type_name == "COMBO"
