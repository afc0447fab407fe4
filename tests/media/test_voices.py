"""Speaker turns and the mix of several voices."""

import numpy as np
import pytest

from sonic_core.clip import Audio
from sonic_core.errors import InputError
from sonic_core.media.voices import Turn, activity, by_channel, by_turns, mixed, read_turns

RTTM = """\
;; a comment
SPEAKER talk 1 1.00 0.50 <NA> <NA> bob <NA> <NA>
SPEAKER talk 1 0.00 1.00 <NA> <NA> ann <NA> <NA>
"""


def test_turns_are_read_in_order_of_time(tmp_path):
    path = tmp_path / "turns.rttm"
    path.write_text(RTTM)
    assert read_turns(path) == [Turn("ann", 0.0, 1.0), Turn("bob", 1.0, 0.5)]


@pytest.mark.parametrize(
    "line",
    [
        "SPEAKER talk 1 one 0.5 <NA> <NA> bob",
        "SPEAKER talk 1 0 -1 <NA> <NA> bob",
        "SPEAKER talk 1 nan 1 a b c",
        "SPEAKER",
    ],
)
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "turns.rttm"
    path.write_text(RTTM + line)
    with pytest.raises(InputError, match="line 4"):
        read_turns(path)


def test_a_file_without_turns_is_refused(tmp_path):
    path = tmp_path / "turns.rttm"
    path.write_text("0 1 ann")
    with pytest.raises(InputError, match="no SPEAKER line"):
        read_turns(path)
    with pytest.raises(InputError, match="does not exist"):
        read_turns(tmp_path / "none.rttm")


def test_everybody_is_silent_while_others_talk():
    audio = Audio(np.ones((1, 2000), np.float32), 1000)
    parts = by_turns(audio, [Turn("ann", 0, 1), Turn("bob", 1, 0.5), Turn("bob", 1.9, 5)])
    ann, bob = parts["ann"].samples[0], parts["bob"].samples[0]
    assert ann.shape == bob.shape == (2000,)
    assert (
        ann[500] == 1 and not ann[1000:].any() and not bob[:1000].any() and bob[1250] == 1 and not bob[1500:1900].any()
    )


def test_turns_of_another_sound_are_refused():
    with pytest.raises(InputError, match=r"begin at 100.00 s but the sound ends at 2.00 s"):
        by_turns(Audio(np.ones((1, 2000), np.float32), 1000), [Turn("ann", 100, 1)])


def test_a_mix_is_as_long_as_the_longest_and_never_clips():
    loud, late = Audio(np.full((2, 100), 0.9, np.float32), 1000), Audio(np.full((1, 300), 0.9, np.float32), 1000)
    total = mixed([loud, late])
    assert total.samples.shape == (2, 300) and np.abs(total.samples).max() <= 1
    quiet = mixed([loud, late], [1.0, 0.1])
    assert quiet.samples[0, 200] == pytest.approx(0.09)


def test_other_rates_are_brought_to_the_first():
    total = mixed([Audio(np.zeros((1, 1000), np.float32), 1000), Audio(np.zeros((1, 4000), np.float32), 2000)])
    assert total.rate == 1000 and total.samples.shape[1] == pytest.approx(2000, abs=2)


def test_a_speaker_a_channel():
    stereo = Audio(np.array([[1.0, 0.0], [0.0, 0.5]], np.float32), 1000)
    left, right = by_channel(stereo)
    assert left.samples.tolist() == [[1.0, 0.0]] and right.samples.tolist() == [[0.0, 0.5]]
    with pytest.raises(InputError, match="one channel"):
        by_channel(left)


def test_activity_bridges_pauses_and_not_turns():
    sound = np.zeros(4 * 16000, np.float32)
    for start, end in ((0.5, 0.8), (1.0, 1.5), (3.0, 3.5)):
        sound[int(start * 16000) : int(end * 16000)] = 0.2
    speaks = activity(Audio(sound[None], 16000), 25, 100)
    assert speaks[13:37].all() and not speaks[45:68].any() and speaks[76:86].all()
    assert not activity(Audio(sound[None] * 0, 16000), 25, 100).any()
