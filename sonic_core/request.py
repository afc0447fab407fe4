"""One job as it was requested: settings of the engine, finishing and dub, in one object from the entry to the pixels.

The command line, jobs of the service, rows of a batch and messages of other systems all become a `Request`. Its
mapping form is what the ledger keeps and what a client sends: one flat object of names and values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from sonic_core.dubbing import DubOptions
from sonic_core.errors import SettingsError
from sonic_core.finishing import Finishing
from sonic_core.settings import DEFAULT_PRESET, Settings, preset, shown

NO_LABEL = "none"
FINISHING_NAMES, DUB_NAMES = ({setting.name for setting in fields(part)} for part in (Finishing, DubOptions))
# All names of the mapping form.
FIELDS = {setting.name: setting for setting in (*fields(Settings), *fields(Finishing), *fields(DubOptions))}


@dataclass(frozen=True)
class Request:
    """Settings of the engine, what is done to its frames, and the preset that the settings started from.

    `dub` holds what only a video that gets another voice needs.
    `named` holds the names that were given explicitly, also with their default values: where something else would
    choose a value (a workflow on a ComfyUI server), they win.
    """

    settings: Settings = field(default_factory=lambda: preset(DEFAULT_PRESET))
    finishing: Finishing = field(default_factory=Finishing)
    preset: str = DEFAULT_PRESET
    named: frozenset[str] = frozenset()
    dub: DubOptions = field(default_factory=DubOptions)

    @classmethod
    def parse(cls, given: Any) -> Request:
        """A request from its mapping form: `preset` and any fields of Settings, Finishing and DubOptions.

        Several numbers may be a list, "none" stands for no label, and null for a setting that is left out.
        Raises SettingsError for anything that is not a mapping, and for unknown names and impossible values.
        """
        if not isinstance(given, Mapping):
            raise SettingsError(f"settings are {str(given)[:40]!r}; give an object of names and values")
        changes = {str(name): value for name, value in given.items()}
        chosen = changes.pop("preset", DEFAULT_PRESET)
        if changes.get("label") == NO_LABEL:
            changes["label"] = None
        named = frozenset(name for name, value in changes.items() if value is not None)
        finishing = Finishing(**_taken(changes, FINISHING_NAMES))
        dub = DubOptions(**_taken(changes, DUB_NAMES))
        unknown = next((name for name in changes if name not in FIELDS), None)
        if unknown is not None:
            known = sorted([*FIELDS, "preset"])
            raise SettingsError(f"there is no setting {unknown[:60]!r}; the settings are {', '.join(known)}")
        return cls(preset(chosen).with_changes(**changes), finishing, chosen, named, dub)

    @classmethod
    def of(cls, asked: Request | Settings | str | None, **changes: Any) -> Request:
        """A request from what library callers give: a request, settings, a preset's name or nothing, and changes.

        Raises SettingsError.
        """
        if isinstance(asked, str):
            asked = cls(preset(asked), preset=asked)
        elif isinstance(asked, Settings):
            asked = cls(asked)
        elif asked is not None and not isinstance(asked, cls):
            raise SettingsError(f"settings are {shown(asked)}; give Settings, a preset's name, or each as a keyword")
        finishing, dub = _taken(changes, FINISHING_NAMES), _taken(changes, DUB_NAMES)
        made = asked or cls()
        return replace(
            made,
            settings=made.settings.with_changes(**changes),
            finishing=replace(made.finishing, **finishing),
            dub=replace(made.dub, **dub),
        )

    def as_mapping(self) -> dict[str, Any]:
        """The mapping form, ready for JSON: preset, label, and whatever was named or differs from its default."""
        kept: dict[str, Any] = {"preset": self.preset, "label": self.finishing.label or NO_LABEL}
        parts = (self.settings, preset(self.preset)), (self.finishing, Finishing()), (self.dub, DubOptions())
        for values, defaults in parts:
            for setting in fields(values):
                value = getattr(values, setting.name)
                said = setting.name in self.named or value != getattr(defaults, setting.name)
                if said and setting.name != "label" and value is not None:
                    kept[setting.name] = list(value) if isinstance(value, tuple) else value
        return kept


def _taken(changes: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Those of `changes` that have one of the names; they are taken out of it."""
    return {name: changes.pop(name) for name in list(changes) if name in names}
