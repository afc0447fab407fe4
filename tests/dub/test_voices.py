"""Speaker turns and the mix of several voices."""

import numpy as np
import pytest

from sonic_core.clip import Audio
from sonic_core.dub.voices import Turn, by_turns, check_people, mixed, read_turns
from sonic_core.errors import InputError

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


def test_a_mix_is_as_long_as_the_longest_and_never_clips():
    loud, late = Audio(np.full((2, 100), 0.9, np.float32), 1000), Audio(np.full((1, 300), 0.9, np.float32), 1000)
    total = mixed([loud, late])
    assert total.samples.shape == (2, 300) and np.abs(total.samples).max() <= 1
    quiet = mixed([loud, late], [1.0, 0.1])
    assert quiet.samples[0, 200] == pytest.approx(0.09)


def test_other_rates_are_brought_to_the_first():
    total = mixed([Audio(np.zeros((1, 1000), np.float32), 1000), Audio(np.zeros((1, 4000), np.float32), 2000)])
    assert total.rate == 1000 and total.samples.shape[1] == pytest.approx(2000, abs=2)


def test_a_voice_for_nobody_is_refused():
    with pytest.raises(InputError, match="person 2 but the video has persons 0 to 1"):
        check_people({2: None}, 2)
