"""One command for all weights: which steps are run, in which order, and what is left out the next time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from training import run
from training.run import Markers, Step, carry_out, chosen, steps

TABLE = [Step("a.one", ("t.a", "1")), Step("a.two", ("t.a", "2")), Step("b", ("t.b",))]
ROOT = Path(__file__).resolve().parents[2]


class Shell:
    """Notes what is run; the named module fails."""

    def __init__(self, failing: tuple[str, ...] = ()):
        self.failing, self.done = failing, []

    def __call__(self, command: Sequence[str]) -> int:
        self.done.append(tuple(command))
        return 3 if tuple(command) == self.failing else 0


def test_finished_steps_are_left_out_and_a_failed_one_is_run_again(tmp_path: Path):
    markers, first, second = Markers(tmp_path / "done"), Shell(("t.a", "2")), Shell()
    assert carry_out(TABLE, TABLE, markers, first) == "a.two"
    assert first.done == [("t.a", "1"), ("t.a", "2")]
    assert carry_out(TABLE, TABLE, markers, second) is None
    assert second.done == [("t.a", "2"), ("t.b",)]
    assert carry_out(TABLE, TABLE, markers, third := Shell()) is None and third.done == []


def test_a_changed_command_runs_the_rest_of_its_group_again(tmp_path: Path):
    markers = Markers(tmp_path)
    carry_out(TABLE, TABLE, markers, Shell())
    changed = [Step("a.one", ("t.a", "9")), *TABLE[1:]]
    stopped, rest = Shell(("t.a", "2")), Shell()
    assert carry_out(changed, changed, markers, stopped) == "a.two"
    assert carry_out(changed, changed, markers, rest) is None
    assert stopped.done == [("t.a", "9"), ("t.a", "2")] and rest.done == [("t.a", "2")]


def test_only_takes_steps_and_groups():
    assert [step.name for step in chosen(TABLE, [])] == ["a.one", "a.two", "b"]
    assert [step.name for step in chosen(TABLE, ["a"])] == ["a.one", "a.two"]
    assert [step.name for step in chosen(TABLE, ["b", "a.two"])] == ["a.two", "b"]
    with pytest.raises(ValueError, match=r"no step 'c'; the steps are a\.one, a\.two, b"):
        chosen(TABLE, ["a", "c"])


def test_every_step_is_a_command_that_takes_its_options(tmp_path: Path):
    table = steps(tmp_path / "data", tmp_path)
    assert len({step.name for step in table}) == len(table)
    for step in table:
        source = (ROOT / f"{step.command[0].replace('.', '/')}.py").read_text(encoding="utf-8")
        assert "__main__" in source
        for option in step.command[1:]:
            assert not option.startswith("--") or f'add_argument("{option}"' in source, (step.name, option)


def test_every_weight_of_the_package_has_a_step(tmp_path: Path):
    """All but Whisper's encoder, which is OpenAI's."""
    made = {"mouth_basis": "basis", "covers": "covers", "ears": "ears.relabel", "motion": "motion"}
    made |= {"lips": "renderer.lips", "mouth_tone": "renderer.tones", "person": "matting"}
    made |= {net: f"face.{net}" for net in ("landmarks", "detector", "mouth", "eye", "identity")}
    weights = (ROOT / "sonic_core").glob("**/weights/*.safetensors")
    assert {path.stem for path in weights} - {"whisper"} == set(made)
    assert set(made.values()) <= {step.name for step in steps(tmp_path, tmp_path)}


def test_the_command_lists_runs_and_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    shell = Shell(("t.a", "2"))
    monkeypatch.setattr(run, "steps", lambda data, work, share: TABLE)
    monkeypatch.setattr(run, "run_module", shell)
    work = ["--work", str(tmp_path)]
    assert run.main([*work, "--list"]) == 0 and shell.done == []
    assert [line[:6].strip() for line in capsys.readouterr().out.splitlines()] == ["to do"] * 3
    assert run.main(work) == 1
    assert "a.two failed" in capsys.readouterr().err
    assert run.main([*work, "--only", "b"]) == 0 and shell.done[-1] == ("t.b",)
    run.main([*work, "--list"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["done", "to", "done"]
    with pytest.raises(SystemExit):
        run.main([*work, "--only", "c"])


def test_a_share_makes_every_amount_smaller_and_none_zero(tmp_path: Path):
    whole, trial = steps(tmp_path, tmp_path), steps(tmp_path, tmp_path, 0.001)
    counted = ("--steps", "--minutes", "--count", "--utterances", "--starts", "--clips", "--batches")
    for step, small in zip(whole, trial, strict=True):
        for option, more, less in zip(step.command, step.command[1:], small.command[1:], strict=False):
            assert int(more) > int(less) >= 1 if option in counted else more == less, step.name
