"""`jobs list|show|cancel|retry` on a SQLite ledger."""

import argparse
import json

import pytest

pytest.importorskip("sqlalchemy")

from sonic_core.cli import storage
from sonic_core.errors import InputError, MissingExtraError
from sonic_core.ledger.consents import record_consent
from sonic_core.ledger.jobs import NewJob
from sonic_core.ledger.ledger import Ledger


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SONIC_LEDGER", f"sqlite:///{tmp_path}/l.sqlite")
    ledger = Ledger.open()
    consent = record_consent(ledger.engine, "anna", subject="s", subject_is_user=True, purpose="a greeting", sources=[])
    ledger.submit(NewJob("job-1", "anna", {}, consent.id))
    parser = argparse.ArgumentParser()
    storage.add_parser(parser.add_subparsers(dest="command"))

    def run(*arguments):
        args = parser.parse_args(arguments)
        assert args.run(args) == 0
        return capsys.readouterr().out

    return run


def test_list_show_cancel_retry(run):
    assert "job-1  queued" in run("jobs", "list", "--user", "anna")
    assert run("jobs", "list", "--state", "done") == ""
    assert "job-1  cancelled" in run("jobs", "cancel", "job-1")
    assert "job-1  queued" in run("jobs", "retry", "job-1")
    shown = run("jobs", "show", "job-1")
    assert "consent" in shown and "attempt 0: cancelled" in shown
    assert [e["kind"] for e in json.loads(run("jobs", "show", "job-1", "--json"))["events"]] == [
        "queued", "cancelled", "queued"
    ]  # fmt: skip
    assert json.loads(run("jobs", "list", "--json"))[0]["id"] == "job-1"
    with pytest.raises(InputError, match="no job 'nope'"):
        run("jobs", "show", "nope")


def test_a_missing_extra_is_one_sentence():
    def work():
        raise ModuleNotFoundError("No module named 'sqlalchemy'", name="sqlalchemy")

    with pytest.raises(MissingExtraError, match=r"pip install 'sonic-studio\[fleet\]'"):
        storage.needing_extra(work)
