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
def test_impossible_numbers_are_refused(words, says, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2 and says in capsys.readouterr().err


@pytest.mark.parametrize("port", ["65536", "99999", "-1"])
def test_impossible_ports_are_refused(port, tmp_path, monkeypatch, capsys):
    """The system takes them modulo 65536: it listened on 34463 for 99999."""
    pytest.importorskip("sqlalchemy")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SONIC_LEDGER", f"sqlite:///{tmp_path}/ledger.sqlite")
    assert main(["serve", "--port", port]) == 2
    assert f"The port is {port}; give one from 0" in capsys.readouterr().err


@given(st.integers(0, 10**12), st.floats(1e-6, 1e12))
def test_possible_numbers_are_taken(whole, number):
    assert count(str(whole)) == whole and above_0(repr(number)) == number


@given(st.text(max_size=100))
def test_any_text_is_a_number_or_refused(text):
    for kind in (count, above_0):
        try:
            assert kind(text) >= 0
        except argparse.ArgumentTypeError as error:
            assert len(str(error)) < 300
