"""The sentences that synthetic voices read: everyday ones with many p, b, m, f, v, w and round vowels.

The English ones are in the style of the IEEE "Harvard" lists (1969). Japanese is in kana, which eSpeak reads. Each
language's file NAME_held_out.txt is kept out of training and used to measure.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "sentences"
GRID_WORDS = (
    "bin lay place set",
    "blue green red white",
    "at by in with",
    "a b c d e f g h i j k l m n o p q r s t u v x y z",
    "zero one two three four five six seven eight nine",
    "again now please soon",
)
KANA = (
    "ぱ ぴ ぷ ぺ ぽ ば び ぶ べ ぼ ま み む め も ふ わ う う い え お あ か き く け こ さ し す せ そ "
    "た ち つ て と な に ぬ ね の ら り る れ ろ や ゆ よ は ひ ほ が じ ず だ ど びょ みゅ しゅ ちょ きょ"
)


def sentences(language: str, held_out: bool = False) -> list[str]:
    """The sentences of `en`, `cmn`, `ja`, `es` or `fr`, from its file, which has one a line."""
    return (FOLDER / f"{language}{'_held_out' if held_out else ''}.txt").read_text("utf-8").splitlines()


def grid_sentence(rng: np.random.Generator) -> str:
    """A random sentence of GRID's six-word grammar, with its letter in capitals."""
    words = [str(rng.choice(choice.split())) for choice in GRID_WORDS]
    return " ".join(word.upper() if len(word) == 1 else word for word in words)


def mixed_words(language: str, rng: np.random.Generator) -> str:
    """A few random words: from the sentences, in any order; in Japanese, made of random kana."""
    if language == "ja":
        words = ["".join(rng.choice(KANA.split(), int(rng.integers(2, 5)))) for _ in range(int(rng.integers(3, 7)))]
        return "、".join(words)
    joined = " ".join(sentences(language))
    if language == "cmn":
        pairs = [part[k : k + 2] for part in re.split(r"\W+", joined) for k in range(0, len(part) - 1, 2)]
        return "".join(rng.choice(pairs, int(rng.integers(4, 9)))) + "。"
    return " ".join(rng.choice(re.findall(r"[\w']+", joined.lower()), int(rng.integers(5, 10)))) + "."
