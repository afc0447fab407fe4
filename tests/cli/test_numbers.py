"""Numbers that no fleet can have are refused in a line, before anything starts."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.cli.main import main
from sonic_core.cli.numbers import above_0, count


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["worker", "--lease", "-3"], "'-3' is not a number above 0"),
        (["worker", "--lease", "nan"], "'nan' is not a number above 0"),
        (["worker", "--job-hours", "0"], "'0' is not a number above 0"),
        (["serve", "--active-jobs", "-1"], "'-1' is not a whole number from 0"),
        (["serve", "--talks", "1.5"], "'1.5' is not a whole number from 0"),
        (["serve", "--gigapixels-a-day", "inf"], "'inf' is not a number above 0"),
        (["jobs", "list", "--limit", "-1"], "'-1' is not a whole number from 0"),
        (["jobs", "list", "--state", "odd"], "invalid choice: 'odd'"),
    ],
)
def test_a_number_that_cannot_be(words, says, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2 and says in capsys.readouterr().err


@given(st.integers(0, 10**12), st.floats(1e-6, 1e12))
def test_the_others(whole, number):
    assert count(str(whole)) == whole and above_0(repr(number)) == number


@given(st.text(max_size=100))
def test_any_text_is_a_number_or_refused(text):
    for kind in (count, above_0):
        try:
            assert kind(text) >= 0
        except argparse.ArgumentTypeError as error:
            assert len(str(error)) < 300
