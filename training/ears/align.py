"""Find which phone is spoken when, for English utterances whose words are known.

    python -m training.ears.align --work WORK --kind s1 [--folder held_out]

Reads WORK/FOLDER/KIND.npz and writes WORK/phones/FOLDER_KIND.npz: for each utterance the numbers of its phones
(`training.ears.phones`) and their starts and ends in seconds. An utterance that cannot be aligned, or with a word that
the dictionary lacks, gets no phones. Needs the extra `exam`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from sonic_core.errors import InputError
from sonic_core.quality.alignment import Phone, align
from training.ears.phones import NUMBER, of_arpabet
from training.ears.store import load

# The British name of a letter in GRID; the dictionary has the American "zee".
RESPELT = {"z": "zed"}


def save_phones(timings: list[list[Phone]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = [phone for timing in timings for phone in timing]
    part = path.with_name(path.stem + ".part.npz")
    np.savez(
        part,
        counts=np.array([len(timing) for timing in timings]),
        phones=np.array([NUMBER[phone.name] for phone in flat], np.int16),
        starts=np.array([phone.start for phone in flat], np.float32),
        ends=np.array([phone.end for phone in flat], np.float32),
    )
    os.replace(part, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--kind", required=True)
    parser.add_argument("--folder", default="corpus", help="corpus or held_out")
    args = parser.parse_args()
    timings: list[list[Phone]] = []
    for k, utterance in enumerate(load(args.work / args.folder / f"{args.kind}.npz")):
        words = " ".join(RESPELT.get(word, word) for word in utterance.words.split())
        try:
            found = align(utterance.sound, words)
        except InputError:
            found = []
        timings.append([Phone(of_arpabet(phone.name), phone.start, phone.end) for phone in found])
        if k % 100 == 0:
            print(k, utterance.name, flush=True)
    save_phones(timings, args.work / "phones" / f"{args.folder}_{args.kind}.npz")
    print(f"{sum(map(bool, timings))} of {len(timings)} aligned", flush=True)


if __name__ == "__main__":
    main()
