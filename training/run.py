"""Make the weights of the bundled engine: every training command in its order.

    python -m training.run --work FOLDER [--data ../shared/data] [--only motion] [--share 0.01] [--list]

The weights are written to FOLDER/weights, not over those of the package; copy them there when they are better. A
finished step leaves its command in FOLDER/done and is skipped the next time, unless its command has changed; when a
step runs again, so do the later ones of its group. A command that needs weights of another group (Whisper's encoder,
the mouth's shapes) reads the package's, so after you copied new ones the groups that use them are worth another run.

`--share 0.01` does a hundredth of every step's work, to see in minutes whether the whole chain works; give such a trial
a work folder of its own. README.md says what the steps need and how long they take.
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
    command: tuple[str, ...]  # a module and its arguments

    @property
    def group(self) -> str:
        return self.name.partition(".")[0]


def steps(data: Path, work: Path, share: float = 1.0) -> list[Step]:
    """All steps in order, each with `share` of its work. No group needs what a later one makes."""
    lite, face, ears = work / "weights" / "lite", work / "weights" / "face", work / "ears"
    whisper = WEIGHTS / "whisper.safetensors"
    nets = {"landmarks": 2000, "detector": 900, "mouth": 4600, "eye": 1200, "identity": 300}

    def part(amount: int) -> int:
        return max(1, round(amount * share))

    table: list[tuple[str, str, list[object]]] = [
        ("basis", "mouth_basis", ["--data", data, "--out", lite]),
        *((f"face.{net}", "face.train", ["--data", data, "--out", work / "face", "--net", net,
                                         "--steps", part(amount), "--export", face]) for net, amount in nets.items()),
        ("covers", "face.covers", ["--data", data, "--out", face, "--steps", part(850)]),
        ("matting", "matting.selfie", ["--work", work, "--out", work / "weights" / "matting"]),
        ("ears.corpus", "ears.corpus", ["--data", data, "--work", work, "--clips", part(929)]),
        ("ears.espeak", "ears.espeak", ["--work", work, "--minutes", part(40)]),
        ("ears.piper", "ears.piper", ["--work", work, "--utterances", part(200)]),
        ("ears.kokoro", "ears.kokoro", ["--work", work, "--voices", work / "kokoro_voices", "--minutes", part(22)]),
        *((f"ears.align-{kind}", "ears.align", ["--work", work, "--kind", kind]) for kind in ("s1", "more", "piper")),
        ("ears.align-held-out", "ears.align", ["--work", work, "--kind", "s1", "--folder", "held_out"]),
        ("ears.coarticulation", "ears.coarticulation", ["--work", work, "--steps", part(240)]),
        ("ears.windows", "ears.windows", ["--work", work, "--count", part(5000)]),
        ("ears.train", "ears.train", ["--work", work, "--encoder", whisper, "--out", ears / "first.safetensors",
                                      "--steps", part(4500)]),
        ("ears.tune", "ears.tune", ["--work", work, "--encoder", whisper, "--head", ears / "first.pt", "--out", ears,
                                    "--steps", part(1368), "--students", "frozen"]),
        ("ears.relabel", "ears.relabel", ["--work", work, "--head", ears / "frozen_head.safetensors",
                                          "--out", lite / "ears.safetensors", "--batches", part(220),
                                          "--steps", part(3000)]),
        ("motion", "motion.train", ["--data", data, "--work", work, "--out", lite / "motion.safetensors",
                                    "--steps", part(1310)]),
        ("renderer.lips", "renderer.lips", ["--data", data, "--out", lite, "--starts", part(4)]),
        ("renderer.tones", "renderer.mouth_tone", ["--data", data, "--out", lite, "--steps", part(4000)]),
    ]  # fmt: skip
    return [Step(name, (f"training.{module}", *map(str, arguments))) for name, module, arguments in table]


def chosen(table: Sequence[Step], only: Sequence[str]) -> list[Step]:
    """The steps whose name or group is in `only`, or all if it is empty. Raises ValueError for an unknown name."""
    known = {step.name for step in table} | {step.group for step in table}
    if unknown := [name for name in only if name not in known]:
        raise ValueError(f"there is no step {unknown[0]!r}; the steps are {', '.join(step.name for step in table)}")
    return [step for step in table if not only or step.name in only or step.group in only]


class Markers:
    """Which steps are finished: there is a file for each, which holds the command that was run."""

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
    """Run the wanted steps that are not finished. Returns the name of the step that failed, or None.

    `run` carries out a command and returns its exit status.
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
    """Run a training command in a process of its own, with its output on the terminal."""
    sys.stdout.write(f"$ python -m {shlex.join(command)}\n")
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", *command]).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.run", description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for intermediate files, markers and weights")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the training data")
    parser.add_argument("--only", nargs="+", default=[], metavar="STEP", help="steps or groups, such as motion or ears")
    parser.add_argument("--share", type=float, default=1.0, help="of every step's work, to try the chain")
    parser.add_argument("--list", action="store_true", help="say which steps are finished, and run nothing")
    args = parser.parse_args(arguments)
    table = steps(args.data.absolute(), args.work.absolute(), args.share)
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
    args.work.mkdir(parents=True, exist_ok=True)
    if failed := carry_out(table, wanted, markers, run_module):
        sys.stderr.write(f"the step {failed} failed; the same command goes on from there\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
