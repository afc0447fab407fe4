"""Consents that are not there are said in one sentence."""

import pytest

from sonic_core.cli.main import main


def test_the_consents_of_nobody_are_not_withdrawn(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sqlalchemy")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SONIC_LEDGER", f"sqlite:///{tmp_path}/ledger.sqlite")
    assert main(["consents", "withdraw", "--user", "u", "--subject", "nobody"]) == 2
    said = capsys.readouterr()
    assert said.err == "error: u has no consent of 'nobody'; `consents list` shows them.\n" and said.out == ""
