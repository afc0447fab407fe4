from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest

from sonic_core.optional_imports import broken_ones_replaced

BROKEN = {
    "library": "raise OSError('undefined symbol: _ZN2at')",
    "operator": "raise RuntimeError('operator torchvision::nms does not exist')",
    "dependency": "import a_package_that_nobody_has",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_package_is_absent_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    name = f"broken_{kind}"
    (tmp_path / f"{name}.py").write_text(BROKEN[kind])
    monkeypatch.syspath_prepend(tmp_path)
    with broken_ones_replaced({name: False}):
        assert importlib.util.find_spec(name) is None
        with pytest.raises(ModuleNotFoundError, match=name):
            importlib.import_module(name)
    assert importlib.util.find_spec(name) is not None, "other packs see it as it is"


def test_or_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_inside.py").write_text(BROKEN["library"])
    monkeypatch.syspath_prepend(tmp_path)
    with broken_ones_replaced({"broken_inside": True}):
        assert importlib.util.find_spec("broken_inside") is not None
        assert not hasattr(importlib.import_module("broken_inside"), "load")
    with pytest.raises(OSError, match="undefined symbol"):
        importlib.import_module("broken_inside")


def test_a_sound_package_and_a_missing_one_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sound_package.py").write_text("value = 5")
    monkeypatch.syspath_prepend(tmp_path)
    with broken_ones_replaced({"sound_package": False, "missing_package": True}):
        assert importlib.import_module("sound_package").value == 5
        assert importlib.util.find_spec("missing_package") is None
    assert importlib.import_module("sound_package").value == 5


def test_it_is_put_back_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_again.py").write_text(BROKEN["library"])
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyError), broken_ones_replaced({"broken_again": True}):
        raise KeyError
    assert importlib.util.find_spec("broken_again") is not None
