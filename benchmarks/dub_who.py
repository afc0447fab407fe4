"""Measure how often `--who auto` names the right speaker.

    python -m benchmarks.dub_who CLIP CLIP ... [--trials 60]

CLIPs are short videos, such as GRID's, of one person each who speaks all the time; nobody trained on these people.
Their lips are tracked once. In a trial, two people side by side take six turns in random order. calm: the silent one
holds nearly still (the calmest half second of the clip, back and forth); mouthing: the silent one speaks another
sentence, which is not heard; narrator: both hold still and a third person is heard. Prints one line of JSON: the shares
of the frames with speech that were given to the right person, the wrong one, and nobody.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from sonic_core import SonicPipeline
from sonic_core.dub.dub import look_at
from sonic_core.dub.who import agreement_of, expected_opening, named_turns, openings
from sonic_core.media.video import open_video
from sonic_core.media.voices import activity

FPS, FRAMES, TURNS, CALM = 25.0, 75, 6, 13
Take = tuple[np.ndarray, np.ndarray, np.ndarray]  # (75,) openings, expected openings, whether somebody speaks


def take(path: Path, pipe: SonicPipeline) -> Take:
    clip = open_video(path)
    cast = look_at(clip, pipe.detector)
    assert clip.audio is not None
    count = clip.frame_count
    rows = (
        openings(cast.people[0], count),
        expected_opening(clip.audio, pipe.engine, clip.fps, count),
        activity(clip.audio, float(clip.fps), count),
    )
    return tuple(np.resize(row, FRAMES) for row in rows)  # type: ignore[return-value]


def calm(opened: np.ndarray) -> np.ndarray:
    """The calmest half second of openings (n,), played back and forth."""
    start = min(range(len(opened) - CALM), key=lambda k: float(opened[k : k + CALM].std()))
    part = opened[start : start + CALM]
    return np.resize(np.concatenate([part, part[::-1]]), len(opened))


def trial(takes: list[Take], kind: str, rng: np.random.Generator) -> np.ndarray:
    """(3,) how many frames were given to the right person, to the wrong one, and to nobody."""
    first, second, third = rng.choice(len(takes), 3, replace=False)
    order = rng.integers(0, 2, TURNS)
    opened: list[list[np.ndarray]] = [[], []]
    wanted, speech = [], []
    for speaks in order:
        for person, index in enumerate((first, second)):
            own = takes[index][0]
            opened[person].append(own if person == speaks or kind == "mouthing" else calm(own))
        heard = takes[third] if kind == "narrator" else takes[(first, second)[speaks]]
        if kind == "narrator":
            opened[speaks][-1] = calm(opened[speaks][-1])
        wanted.append(heard[1])
        speech.append(heard[2])
    truth = np.repeat(order if kind != "narrator" else np.full(TURNS, -1), FRAMES)
    agreement = agreement_of(np.stack([np.concatenate(row) for row in opened]), np.concatenate(wanted), FPS)
    found = np.zeros(3, int)
    for start, stop, who in named_turns(agreement, np.concatenate(speech)):
        right = int((truth[start:stop] == (-1 if who is None else who)).sum())
        found += [right, 0, stop - start - right] if who is None else [right, stop - start - right, 0]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--trials", type=int, default=60)
    args = parser.parse_args()
    pipe = SonicPipeline.from_pretrained("lite", device="cpu")
    takes = [take(path, pipe) for path in args.clips]
    figures = {}
    for kind in ("calm", "mouthing", "narrator"):
        rng = np.random.default_rng(0)
        frames = sum((trial(takes, kind, rng) for _ in range(args.trials)), np.zeros(3, int))
        shares = frames / frames.sum()
        figures[kind] = dict(zip(("right", "wrong", "nobody"), (round(float(s), 3) for s in shares), strict=True))
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
