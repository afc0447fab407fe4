"""The library's sentences, said in the canvas's words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from sonic_core.errors import ModelError, NoFaceError, SonicError
from sonic_core.storage.store import ObjectNotFound

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def words(nodes: dict[str, Any]) -> Any:
    import stand_in

    return sys.modules[f"{stand_in.PACK}.nodes.words"]


def test_the_advice_changes_and_the_rest_stays(words: Any) -> None:
    said = words.with_advice(NoFaceError("no face was found in the image of 9 x 9 pixels; pass face_box"), "photo 2: ")
    assert isinstance(said, NoFaceError)
    assert str(said).startswith("photo 2: no face was found in the image of 9 x 9 pixels; set face_box, or paint")
    assert str(words.with_advice(said)) == str(said), "said once"
    other = ModelError("something else; do this")
    assert str(words.with_advice(other)) == str(other)
    assert str(words.with_advice(ObjectNotFound("me.jpg"))) == "There is no object me.jpg.", "words its own sentence"


def test_a_video_gets_other_advice_than_a_photo(words: Any) -> None:
    said = str(words.with_advice(NoFaceError("no face was found in the video of 64 x 64 pixels; face the camera")))
    assert said.endswith("; connect a video in which a face is seen from the front")
    said = str(words.with_advice(SonicError("a voice is for person 5 but the video has only person 0; see --preview")))
    assert said.endswith("; set person to one of them, or to -1")


def test_the_library_still_says_what_is_looked_for(words: Any) -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "sonic_core").rglob("*.py"))
    for said in words.ADVICE:
        assert said in sources, f"no sentence of the library has {said!r} any more"
