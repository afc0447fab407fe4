from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.errors import SettingsError
from sonic_core.settings import PRESETS, Settings, preset

NUMBERS = [s for s in fields(Settings) if "low" in s.metadata]


@given(st.sampled_from(NUMBERS), st.floats(0.001, 1e6))
def test_numbers_out_of_range_are_refused(setting, excess):
    whole = isinstance(setting.default, int)
    for value in (setting.metadata["low"] - excess, setting.metadata["high"] + excess):
        value = int(value) - (1 if value < 0 else -1) if whole else value
        if setting.metadata["low"] <= value <= setting.metadata["high"]:
            continue  # 2**63 swallows a small excess
        with pytest.raises(SettingsError, match=setting.name):
            Settings().with_changes(**{setting.name: value})


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda s: s.name)
def test_both_ends_of_the_range_are_allowed(setting):
    for end in ("low", "high"):
        value = setting.metadata[end]
        assert getattr(Settings().with_changes(**{setting.name: value}), setting.name) == value


@pytest.mark.parametrize(
    "changes",
    [
        {"framing": "portrait"},
        {"seed": 1.5},
        {"seed": True},
        {"dynamic_scale": float("nan")},
        {"min_resolution": None},
        {"min_resolution": "512"},
        {"trim": 1},
        {"face_box": (1, 2, 3)},
        {"face_box": (10, 10, 12, 40)},
        {"no_such_setting": 1},
    ],
    ids=str,
)
def test_wrong_values_name_the_setting(changes):
    with pytest.raises(SettingsError, match=next(iter(changes))):
        Settings().with_changes(**changes)


def test_presets_are_settings_and_seed_zero_is_one():
    assert set(PRESETS) == {"fast", "high_quality"}
    assert preset("fast").inference_steps <= 10 and preset("high_quality").inference_steps == 25
    assert Settings(seed=0).seed == 0
    with pytest.raises(SettingsError, match="turbo"):
        preset("turbo")
