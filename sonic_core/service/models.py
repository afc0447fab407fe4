"""The bodies of requests, checked strictly: types, ranges and lengths, and no unknown names.

The settings' model is made from `Settings`, so that ranges and meanings are written once. Every refusal is one
sentence that names the field.
"""

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from sonic_core.errors import InputError
from sonic_core.finishing import LABELS
from sonic_core.request import FIELDS, NO_LABEL
from sonic_core.settings import DEFAULT_PRESET, PRESETS
from sonic_core.storage.https import MAX_URL
from sonic_core.storage.keys import MAX_KEY_BYTES

_FAR_FUTURE = 253_402_300_800.0  # the year 10000, in seconds since 1970


class Strict(BaseModel):
    """No conversions, no unknown names, no infinities."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


Body = TypeVar("Body", bound=Strict)


def _line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("should be one line of text")
    return text


def _agreed(given: bool) -> bool:
    if not given:
        raise ValueError("must be true: a job needs the consent of the person shown")
    return given


Line = Annotated[str, AfterValidator(_line)]


class NewConsent(Strict):
    """What the person shown has agreed to."""

    agreed: Annotated[bool, AfterValidator(_agreed)]
    subject: Annotated[Line, Field(max_length=200, description="a pseudonym of the person shown")]
    subject_is_user: bool = False
    purpose: Annotated[str, Field(min_length=1, max_length=500)]
    expires: Annotated[float | None, Field(gt=0, le=_FAR_FUTURE, description="seconds since 1970")] = None


class Source(Strict):
    """One of: key (below inputs/<user>/), asset (an id), url (https)."""

    key: Annotated[str | None, Field(max_length=MAX_KEY_BYTES)] = None
    asset: Annotated[str | None, Field(max_length=80)] = None
    url: Annotated[str | None, Field(max_length=MAX_URL)] = None

    @model_validator(mode="after")
    def _one(self) -> "Source":
        if sum(value is not None for value in (self.key, self.asset, self.url)) != 1:
            raise ValueError("give exactly one of key, asset and url")
        return self


def _settings_model() -> type[Strict]:
    """A model with a field for every setting of the engine, of finishing and of dubs, and the preset.

    Not `record`: what a service makes says that AI made it.
    """
    found: dict[str, Any] = {
        "preset": (Literal[tuple(PRESETS)], DEFAULT_PRESET),  # type: ignore[misc]
        "label": (Literal[(NO_LABEL, *LABELS)], NO_LABEL),  # type: ignore[misc]
    }
    for setting in FIELDS.values():
        if setting.name in ("label", "record"):
            continue
        about = setting.metadata
        kind: Any
        if "options" in about:
            kind = Literal[about["options"]] if about["options"] else Annotated[str, Field(max_length=100)]
        elif "item" in about:
            item = about["item"]
            several = tuple[item, ...]  # type: ignore[valid-type]
            kind = Annotated[several, Field(min_length=about["least"], max_length=about["most"])]
        elif isinstance(setting.default, bool):
            kind = bool
        else:
            whole = isinstance(setting.default, int)
            kind = Annotated[int if whole else float, Field(ge=about["low"], le=about["high"])]
        found[setting.name] = (Annotated[kind | None, Field(description=about["text"])], None)
    return create_model("JobSettings", __base__=Strict, __doc__="Names and values of settings.", **found)


JobSettings = _settings_model()


class _Job(Strict):
    consent: NewConsent | None = None
    consent_id: Annotated[str | None, Field(max_length=80, description="a consent that is recorded already")] = None
    settings: JobSettings = JobSettings()  # type: ignore[valid-type]
    webhook: Annotated[str | None, Field(max_length=MAX_URL, description="https; called when the job ends")] = None
    name: Annotated[Line | None, Field(max_length=120, description="what you call the video")] = None
    priority: Annotated[int, Field(ge=-100, le=100, description="among your own jobs; higher is sooner")] = 0

    @model_validator(mode="after")
    def _agreed(self) -> "_Job":
        if (self.consent is None) == (self.consent_id is None):
            raise ValueError("a job needs the consent of the person shown: give one of consent and consent_id")
        return self


class JobBody(_Job):
    """A job whose photo (or video) and voice lie somewhere, or come as the files of a form."""

    image: Source | None = None
    video: Source | None = None  # in place of the photo: it gets the voice
    audio: Source | None = None
    background: Source | None = None  # a picture to put behind the person


class AssetBody(Strict):
    """A photo, a video or a voice to keep for later jobs; `file` comes in the form."""

    consent: NewConsent | None = None
    consent_id: Annotated[str | None, Field(max_length=80)] = None

    @model_validator(mode="after")
    def _agreed(self) -> "AssetBody":
        if (self.consent is None) == (self.consent_id is None):
            raise ValueError("an asset needs the consent of the person: give one of consent and consent_id")
        return self


class UploadBody(Strict):
    """A photo, a video or a voice that the browser will send straight to the store."""

    kind: Literal["image", "video", "audio"]
    size: Annotated[int, Field(ge=1)]
    content_type: Annotated[str, Field(max_length=100, pattern=r"^[a-z]+/[A-Za-z0-9.+-]+$")]


def check_upload_size(given: UploadBody, most: int) -> None:
    """Raises InputError for an upload that would be refused in the end."""
    if given.size > most:
        raise InputError(f"The {given.kind} has {given.size} bytes; at most {most} are accepted.")


class EstimateBody(Strict):
    """What a video's cost depends on: the size of the photo or of the video to dub, the sound's length, the settings.

    For a video to dub, `video_seconds` and `video_fps` (frames a second) say how long it is.
    """

    width: Annotated[int, Field(ge=1, le=100_000)]
    height: Annotated[int, Field(ge=1, le=100_000)]
    seconds: Annotated[float, Field(gt=0, le=86_400)]
    video_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    video_fps: Annotated[float, Field(gt=0, le=1_000)] = 25.0
    settings: JobSettings = JobSettings()  # type: ignore[valid-type]


def read(model: type[Body], value: Any) -> Body:
    """The value as a model. Raises InputError that names the first field that does not fit."""
    if not isinstance(value, dict):
        raise InputError("The request must be an object of names and values.")
    try:
        return model.model_validate_json(json.dumps(value))  # from JSON, strict mode takes a list for a tuple
    except ValidationError as error:
        raise InputError(_sentence(error)) from None


def given_settings(settings: Any) -> dict[str, Any]:
    """The settings that were named, as `parse_settings` wants them."""
    return dict(settings.model_dump(exclude_unset=True))


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part)[:60] for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    said = said[0].lower() + said[1:]
    if isinstance(first["input"], str | int | float) and first["type"] != "extra_forbidden":
        return f"{where} is {str(first['input'])[:60]!r}: {said}."
    return f"{where}: {said}." if where else f"{said}."
