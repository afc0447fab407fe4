"""Make the weights of the bundled engine: every training command in its order.

    python -m training.run --work FOLDER [--data ../shared/data] [--only motion] [--list]

The weights are written to FOLDER/weights/lite and FOLDER/weights/face, not over those of the package; copy the
.safetensors there when they are better. A finished step leaves its command in FOLDER/done and is left out the next
time, unless its command has changed; a step that is run again makes the later ones of its group run again. The commands
read the package's own weights where they need some (Whisper's encoder, the mouth's shapes), so after new ones were
copied the groups that follow are worth another run. What a step needs stands in its module, and for the ears in
ears/README.md.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sonic_core.engines.lite.layout import WEIGHTS


@dataclass(frozen=True)
class Step:
    """One training command. `name` is the group, or the group, a dot and what the step does."""

    name: str
    command: tuple[str, ...]  # a module of `training` and its arguments

    @property
    def group(self) -> str:
        return self.name.partition(".")[0]


def steps(data: Path, work: Path) -> list[Step]:
    """All steps in order. No group needs what a later one makes."""
    lite, face = work / "weights" / "lite", work / "weights" / "face"
    table: list[tuple[str, str, list[object]]] = [
        ("basis", "mouth_basis", ["--data", data, "--out", lite]),
        *((f"face.{net}", "face.train", ["--data", data, "--out", work / "face", "--net", net, "--export", face])
          for net in ("landmarks", "detector", "mouth", "eye", "identity")),
        ("covers", "face.covers", ["--data", data, "--out", face]),
        ("ears.corpus", "ears.corpus", ["--data", data, "--work", work]),
        ("ears.espeak", "ears.espeak", ["--work", work]),
        ("ears.piper", "ears.piper", ["--work", work, "--utterances", 200]),
        ("ears.kokoro", "ears.kokoro", ["--work", work, "--voices", work / "kokoro_voices", "--minutes", 22]),
        *((f"ears.align-{kind}", "ears.align", ["--work", work, "--kind", kind]) for kind in ("s1", "more", "piper")),
        ("ears.coarticulation", "ears.coarticulation", ["--work", work]),
        ("ears.windows", "ears.windows", ["--work", work, "--count", 5000]),
        ("ears.train", "ears.train", ["--work", work, "--out", work / "ears" / "first.safetensors",
                                      "--encoder", WEIGHTS / "whisper.safetensors", "--steps", 4500]),
        ("ears.tune", "ears.tune", ["--work", work, "--encoder", WEIGHTS / "whisper.safetensors",
                                    "--head", work / "ears" / "first.pt", "--students", "frozen",
                                    "--out", work / "ears"]),
        ("ears.relabel", "ears.relabel", ["--work", work, "--head", work / "ears" / "frozen_head.safetensors",
                                          "--out", lite / "ears.safetensors"]),
        ("motion", "motion.train", ["--data", data, "--work", work, "--out", lite / "motion.safetensors"]),
        ("renderer.lips", "renderer.lips", ["--data", data, "--out", lite]),
        ("renderer.tones", "renderer.mouth_tone", ["--data", data, "--out", lite]),
    ]  # fmt: skip
    return [Step(name, (f"training.{module}", *map(str, arguments))) for name, module, arguments in table]


def chosen(table: Sequence[Step], only: Sequence[str]) -> list[Step]:
    """The steps whose name or group is in `only`; all without one. Raises ValueError for a name that no step has."""
    known = {step.name for step in table} | {step.group for step in table}
    if unknown := [name for name in only if name not in known]:
        raise ValueError(f"there is no step {unknown[0]!r}; the steps are {', '.join(step.name for step in table)}")
    return [step for step in table if not only or step.name in only or step.group in only]


class Markers:
    """What is finished: a file for each step, holding the command that was run."""

    def __init__(self, folder: Path):
        self.folder = folder

    def has(self, step: Step) -> bool:
        path = self.folder / step.name
        return path.is_file() and path.read_text(encoding="utf-8") == shlex.join(step.command)

    def add(self, step: Step) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / step.name).write_text(shlex.join(step.command), encoding="utf-8")

    def remove(self, step: Step) -> None:
        (self.folder / step.name).unlink(missing_ok=True)


def carry_out(
    table: Sequence[Step], wanted: Sequence[Step], markers: Markers, run: Callable[[Sequence[str]], int]
) -> str | None:
    """Run the wanted steps that are not finished; the name of the step that failed, None when all went well.

    `run` carries out a command and gives its exit status.
    """
    for step in wanted:
        if markers.has(step):
            continue
        for later in table[table.index(step) :]:
            if later.group == step.group:
                markers.remove(later)
        if run(step.command) != 0:
            return step.name
        markers.add(step)
    return None


def run_module(command: Sequence[str]) -> int:
    """A training command in a process of its own, its output passed on."""
    sys.stdout.write(f"$ python -m {shlex.join(command)}\n")
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", *command]).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.run", description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of everything between, markers and weights")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the training data")
    parser.add_argument("--only", nargs="+", default=[], metavar="STEP", help="steps or groups, such as motion or ears")
    parser.add_argument("--list", action="store_true", help="say which steps are finished, and run nothing")
    args = parser.parse_args(arguments)
    table = steps(args.data.absolute(), args.work.absolute())
    try:
        wanted = chosen(table, args.only)
    except ValueError as error:
        parser.error(str(error))
    markers = Markers(args.work / "done")
    if args.list:
        for step in wanted:
            state = "done" if markers.has(step) else "to do"
            sys.stdout.write(f"{state:6} {step.name:16} python -m {shlex.join(step.command)}\n")
        return 0
    for folder in ("weights/lite", "weights/face", "face"):
        (args.work / folder).mkdir(parents=True, exist_ok=True)
    if failed := carry_out(table, wanted, markers, run_module):
        sys.stderr.write(f"the step {failed} failed; the same command goes on from there\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
