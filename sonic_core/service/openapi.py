"""What the API's documentation says of bodies that are read by hand: JSON, or a form with files."""

from typing import Any

from sonic_core.service.models import AssetBody, JobBody, Strict

_FILE = {"type": "string", "format": "binary"}


def _body(model: type[Strict], files: tuple[str, ...], json_too: bool = True) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema = _inlined(schema, schema.pop("$defs", {}))
    form = {**schema, "properties": {**schema["properties"], **dict.fromkeys(files, _FILE)}}
    content = {"multipart/form-data": {"schema": form}}
    if json_too:
        content["application/json"] = {"schema": schema}
    return {"requestBody": {"required": True, "content": content}}


def _inlined(value: Any, known: dict[str, Any]) -> Any:
    """The schema without references: they would need a place among the document's own."""
    if isinstance(value, list):
        return [_inlined(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _inlined(
            {**known[value["$ref"].rsplit("/", 1)[1]], **{k: v for k, v in value.items() if k != "$ref"}}, known
        )
    return {name: _inlined(item, known) for name, item in value.items()}


def _form(files: tuple[str, ...]) -> dict[str, Any]:
    schema = {"type": "object", "properties": dict.fromkeys(files, _FILE), "required": list(files)}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


FACES_BODY = _form(("image",))
JOB_BODY = _body(JobBody, ("image", "video", "audio", "background"))
ASSET_BODY = _body(AssetBody, ("image", "video", "audio"), json_too=False)
