from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_core.clip import Clip
from sonic_core.disclosure.label import (
    FONT,
    LABELS,
    RECORD_KEY,
    VisibleLabel,
    check_glyphs,
    draw,
    label,
    record,
    sized_font,
)
from sonic_core.errors import SettingsError
from sonic_core.media.video import open_video, save_video


def grey(count: int = 60, width: int = 256, height: int = 192, fps: Fraction = Fraction(25)) -> Clip:
    return Clip.of_frames(np.full((count, height, width, 3), 0.5, np.float32), fps)


def test_record_is_what_the_rules_ask_for() -> None:
    fields = json.loads(record("job-7", "某公司"))
    assert fields["Label"] == "1" and fields["ProduceID"] == "job-7" and fields["ContentProducer"] == "某公司"
    assert set(fields) == {
        "Label", "ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2",
    }  # fmt: skip


def test_record_is_in_the_file(tmp_path: Path) -> None:
    path = save_video(label(grey(3), job_id="job-1"), tmp_path / "labelled.mp4")
    assert json.loads(open_video(path).metadata[RECORD_KEY])["ProduceID"] == "job-1"


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(12)])
def test_stands_for_two_seconds_and_then_goes(fps: Fraction) -> None:
    clip = label(grey(70, 96, 96, fps), VisibleLabel())
    marked = [not np.allclose(frame, 0.5) for frame in clip.frames()]
    assert marked == [i < -(-2 * fps.numerator // fps.denominator) for i in range(70)]
    assert 2 <= sum(marked) / fps < 2.2


def test_can_stand_all_the_time() -> None:
    assert all(not np.allclose(f, 0.5) for f in label(grey(70, 96, 96), VisibleLabel(seconds=None)).frames())


@settings(max_examples=25)
@given(st.integers(360, 1100), st.integers(240, 1100), st.sampled_from(["AI生成", "AI-generated"]))
def test_is_high_enough_and_inside(width: int, height: int, text: str) -> None:
    colour, cover = draw(VisibleLabel(text), width, height)
    white = (colour * cover)[..., 0] > 0.9
    rows, columns = np.nonzero(white.any(1))[0], np.nonzero(white.any(0))[0]
    assert rows[-1] - rows[0] + 1 >= 0.05 * min(width, height)
    assert rows[0] > 0 and rows[-1] < height - 1 and columns[0] > 0 and columns[-1] < width - 1


def test_capitals_alone_are_high_enough() -> None:
    for tall in (5, 12, 26, 54, 108):
        top, bottom = sized_font(FONT, tall).getbbox("A")[1::2]
        assert tall <= bottom - top <= tall + 2


def test_letters_are_crisp() -> None:
    _, cover = draw(VisibleLabel("AI生成"), 512, 512)
    inside = cover[cover > 0]
    assert ((inside > 0.99) | (abs(inside - 0.75) < 0.01)).mean() > 0.6  # letter or outline, few pixels between


@pytest.mark.parametrize("corner", ["top-left", "top-right", "bottom-left", "bottom-right"])
def test_corners(corner: str) -> None:
    cover = draw(VisibleLabel(corner=corner), 400, 400)[1][..., 0]
    rows, columns = cover.any(1).nonzero()[0].mean(), cover.any(0).nonzero()[0].mean()
    assert (rows < 200) == corner.startswith("top") and (columns < 200) == corner.endswith("left")


@pytest.mark.parametrize("text", LABELS.values())
def test_bundled_font_has_every_label(text: str) -> None:
    check_glyphs(VisibleLabel(text))


def test_says_which_character_is_missing() -> None:
    with pytest.raises(SettingsError, match="م"):
        draw(VisibleLabel("AI م"), 400, 400)


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": " "},
        {"text": "a\nb"},
        {"seconds": 1.0},
        {"seconds": float("nan")},
        {"height": 0.01},
        {"corner": "middle"},
    ],
)
def test_refuses_what_the_rules_do_not_allow(wrong: dict) -> None:
    with pytest.raises(SettingsError, match="label"):
        VisibleLabel(**wrong)


def test_refuses_a_text_wider_than_the_video() -> None:
    with pytest.raises(SettingsError, match="does not fit"):
        draw(VisibleLabel("A" * 60), 200, 200)
