"""Consents that are not there, and a port that cannot be: said in one sentence."""

import pytest

from sonic_core.cli.main import main


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    pytest.importorskip("sqlalchemy")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SONIC_LEDGER", f"sqlite:///{tmp_path}/ledger.sqlite")


def test_the_consents_of_nobody_are_not_withdrawn(capsys):
    assert main(["consents", "withdraw", "--user", "u", "--subject", "nobody"]) == 2
    said = capsys.readouterr()
    assert said.err == "error: u has no consent of 'nobody'; `consents list` shows them.\n" and said.out == ""


@pytest.mark.parametrize("port", ["65536", "99999", "-1"])
def test_a_port_that_is_none(port, capsys):
    """The system took 99999 for 34463."""
    assert main(["serve", "--port", port]) == 2
    assert f"The port is {port}; give one from 0" in capsys.readouterr().err
