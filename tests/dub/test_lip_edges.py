"""A lip painted in a few colours, with a row of teeth where the tracker says the lip begins."""

import numpy as np
import pytest

from sonic_core.dub.lip_edges import lip_begins, lip_ends, shadow_begins, upper_lip_ends
from sonic_core.engines.lite.landmarks import UPPER_LIP
from sonic_core.engines.lite.layout import MouthBasis

LIP, TOOTH, INSIDE, HAIR, SKIN = (180, 90, 90), (205, 185, 165), (40, 22, 20), (60, 50, 45), (200, 160, 140)
# From the edge upwards: 11 columns of a lip 24 px high, its inner edge at the bottom.
INNER = np.stack([np.linspace(20, 120, 11), np.full(11, 60)], 1).astype(np.float32)
OUTER = INNER - np.float32([0, 24])


def picture(wrong: int, colour=TOOTH) -> np.ndarray:
    """The lip, its first `wrong` px of another colour."""
    made = np.full((100, 140, 3), LIP, np.float32)
    made[60 - wrong :] = colour
    return made


@pytest.mark.parametrize("colour", [TOOTH, INSIDE])
@pytest.mark.parametrize("wrong", [12, 16])
def test_the_lip_begins_behind_teeth_and_gap(wrong, colour):
    found = lip_begins(picture(wrong, colour), INNER, OUTER)
    assert found == pytest.approx(wrong / 24, abs=0.1)


def test_a_tracker_that_is_right_is_believed():
    assert not lip_begins(picture(0), INNER, OUTER).any()
    assert lip_begins(picture(4), INNER, OUTER).max() < 0.05
    grey = picture(12).mean(-1, keepdims=True).repeat(3, -1)
    assert not lip_begins(grey, INNER, OUTER).any()


def test_a_gloss_on_the_lip_is_no_edge():
    glossy = picture(0)
    glossy[44:48] = TOOTH
    assert not lip_begins(glossy, INNER, OUTER).any()


def test_a_dark_lip_in_lit_skin_is_left_to_the_tracker():
    """Samples of it are darker than teeth and skin, so that its colour cannot be told from theirs."""
    dark = np.full((100, 140, 3), SKIN, np.float32)
    dark[44:60] = (90, 25, 30)
    assert not lip_begins(dark, INNER, OUTER).any()


@pytest.mark.parametrize("higher", [12, 24])
def test_the_lip_ends_at_the_moustache(higher):
    made = picture(0)
    made[: 36 - higher] = HAIR
    assert lip_ends(made, INNER, OUTER) == pytest.approx(higher / 24, abs=0.1)


@pytest.mark.parametrize("beyond", [HAIR, SKIN])
def test_a_lip_that_ends_where_it_is_tracked(beyond):
    made = picture(0)
    made[:36] = beyond
    assert lip_ends(made, INNER, OUTER).max() < 0.05
    made[:20] = HAIR  # the shadow of the nose, above bare skin
    assert lip_ends(made, INNER, OUTER).max() < 0.05


def test_the_shadow_under_a_lip_is_none_of_it():
    made = picture(0)
    assert not shadow_begins(made, INNER, OUTER).any()
    made[:43] = HAIR
    assert shadow_begins(made, INNER, OUTER) == pytest.approx(7 / 24, abs=0.1)


def test_a_moustache_is_found_in_a_frame_by_the_landmarks():
    landmarks = (MouthBasis.load().rest * 60 + [150, 60, 0]).astype(np.float32)
    lip = landmarks[UPPER_LIP, :2]
    made = np.full((260, 300, 3), LIP, np.uint8)
    assert not upper_lip_ends(made, landmarks).any()
    made[: round(lip[0][:, 1].min()) - 4] = HAIR
    assert upper_lip_ends(made, landmarks)[3:-3].min() > 0.2
    assert not upper_lip_ends(made, landmarks + 1000).any()  # a mouth outside the picture
