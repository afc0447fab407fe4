"""Natural voices: what a stopped run saved is found again, and every utterance has its own random numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sonic_core.quality.alignment import Phone
from training.ears import kokoro
from training.ears.align import save_phones
from training.ears.store import Utterance, save

PHONES = [[Phone("B", 0.0, 0.1), Phone("AA", 0.1, 0.4)], [Phone("SIL", 0.0, 0.5)], [Phone("M", 0.0, 0.2)]]


def test_a_stopped_run_finds_its_utterances_and_their_phones(tmp_path: Path):
    assert kokoro.made_before(tmp_path) == ([], [])
    made = [Utterance(f"en{k}", "af", np.zeros(1600, np.float32), None, "a word") for k in range(2)]
    save(made, tmp_path / "corpus" / "kokoro.npz")
    save_phones(PHONES, tmp_path / "phones" / "corpus_kokoro.npz")  # stopped between the two files
    found, timings = kokoro.made_before(tmp_path)
    assert [one.name for one in found] == ["en0", "en1"] and len(timings) == 2
    assert [phone.name for phone in timings[0]] == ["B", "AA"] and abs(timings[0][1].end - 0.4) < 1e-6


class Reader:
    """Says nothing, and remembers what it was to say."""

    def speak(self, symbols: str, voice: str, speed: float) -> tuple[np.ndarray, list[Phone]]:
        self.said = symbols, voice, speed
        return np.zeros(160, np.float32), []


def test_an_utterance_depends_on_its_number_alone(monkeypatch):
    monkeypatch.setattr(kokoro, "transcribe", lambda text, language: f"{language} {text}")
    reader, voices = Reader(), ["af_bella", "ef_one", "ff_one", "jf_one", "zf_one"]
    said = []
    for number in (7, 8, 7):
        kokoro.utterance(reader, voices, number)
        said.append(reader.said)
    assert said[0] == said[2] != said[1]
