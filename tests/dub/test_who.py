"""Who speaks: openings made by hand, and an engine whose ears hear exactly them."""

from array import array
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from sonic_core.clip import Audio
from sonic_core.dub import who
from sonic_core.dub.who import agreement_of, match_speakers, named_turns, who_speaks
from sonic_core.errors import InputError
from sonic_core.media.voices import Turn

FPS = Fraction(25)
COUNT = 200
rng = np.random.default_rng(3)


def talk(count: int) -> np.ndarray:
    """Openings as of speech: syllables of different sizes."""
    beats = np.repeat(rng.uniform(0, 0.06, count // 4 + 1), 4)[:count]
    return np.convolve(beats, np.ones(3) / 3, "same")


SAID = talk(COUNT)
STILL = 0.002 * rng.standard_normal(COUNT)
SAID[92:108] = 0  # a pause between the turns
LEFT = np.where(np.arange(COUNT) < 100, SAID, STILL)
RIGHT = np.where(np.arange(COUNT) < 100, STILL, SAID)


OTHER = talk(COUNT)


@pytest.fixture
def cast(monkeypatch):
    """Two people in 200 frames of whom the first speaks first, and nothing else of them."""
    monkeypatch.setattr(who, "openings", lambda person, count: person.opened)
    monkeypatch.setattr(who, "expected_opening", lambda sound, engine, fps, count: SAID)
    people = [SimpleNamespace(opened=opened, frames=array("l", range(COUNT))) for opened in (LEFT, RIGHT)]
    return SimpleNamespace(people=people, frame_count=COUNT)


def sound(start: float, end: float) -> Audio:
    samples = np.zeros(8 * 16000, np.float32)
    samples[round(start * 16000) : round(end * 16000)] = 0.3
    samples[round(3.7 * 16000) : round(4.3 * 16000)] = 0
    return Audio(samples[None], 16000)


def test_turns_go_to_those_whose_lips_agree(cast):
    found = who_speaks(cast, sound(0.4, 7.6), None, FPS)
    assert not found.unsure and set(found.spans) == {0, 1}
    [(start, end)], [(later, last)] = found.spans[0], found.spans[1]
    assert start == 0 and end == later == pytest.approx(4.0, abs=0.3) and last == 8


def test_a_late_sound_is_followed():
    agreement = agreement_of(np.stack([LEFT, RIGHT]), np.roll(SAID, 3), 25.0)
    turns = named_turns(agreement, np.ones(COUNT, bool))
    assert [person for _, _, person in turns] == [0, 1] and turns[1][0] == pytest.approx(103, abs=15)


def test_nobody_is_named_where_nobody_agrees_or_two_do(cast):
    for opened in ((STILL, STILL), (SAID, SAID), (OTHER, STILL)):
        agreement = agreement_of(np.stack(opened), SAID, 25.0)
        turns = named_turns(agreement, np.ones(COUNT, bool))
        assert sum(last - first for first, last, person in turns if person is None) > 0.9 * COUNT
    cast.people[0].opened = cast.people[1].opened = SAID
    with pytest.raises(InputError, match=r"0.0 of .* say who speaks"):
        who_speaks(cast, sound(0.4, 7.6), None, FPS)


def test_who_is_not_seen_does_not_speak(cast):
    cast.people[0].opened = np.where(np.arange(COUNT) < 100, np.nan, STILL)
    with pytest.raises(InputError, match="say who speaks"):
        who_speaks(cast, sound(0.4, 3.6), None, FPS)
    found = who_speaks(cast, sound(0.4, 7.6), None, FPS)
    assert set(found.spans) == {1} and found.unsure == [(0.0, pytest.approx(4.0, abs=0.3))]


def test_names_of_turns_find_their_faces(cast):
    turns = [Turn("ann", 4.0, 3.5), Turn("bob", 0.4, 3.4)]
    assert match_speakers(cast, sound(0.4, 7.6), turns, None, FPS) == {1: "ann", 0: "bob"}
    with pytest.raises(InputError, match="whose face the speaker 'bob'"):
        match_speakers(cast, sound(0.4, 7.6), [Turn("ann", 0.4, 3.4), Turn("bob", 0.8, 2.0)], None, FPS)
