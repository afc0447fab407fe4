"""The example of a face for a Pipecat agent, in a real Pipecat pipeline (skips without pipecat-ai)."""

import asyncio
import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pipecat.pipeline.pipeline", reason="needs pipecat-ai")

from bar_talk import BigTalk, tone
from pipecat.frames.frames import (
    InterruptionFrame,
    OutputImageRawFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.tests.utils import SleepFrame, run_test

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "pipecat_face.py"


@pytest.fixture
def face():
    spec = importlib.util.spec_from_file_location("pipecat_face", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PhotoFace(BigTalk())


def speech(seconds: float) -> list[TTSAudioRawFrame]:
    pcm = (tone(seconds, 24000) * 32767).astype("<i2")
    return [TTSAudioRawFrame(pcm[at : at + 480].tobytes(), 24000, 1) for at in range(0, len(pcm), 480)]


def run(face, frames) -> list:
    return asyncio.run(run_test(face, frames_to_send=frames))[0]


def test_speech_comes_out_with_its_pictures_and_then_its_end(face):
    came = run(face, [TTSStartedFrame(), *speech(1.0), TTSStoppedFrame(), SleepFrame(sleep=2.0)])
    sounds = [frame for frame in came if isinstance(frame, TTSAudioRawFrame)]
    heard = np.concatenate([np.frombuffer(frame.audio, "<i2") for frame in sounds]) / 32768
    assert sounds[0].sample_rate == 48000 and abs(len(heard) / 48000 - 1.0) < 0.1
    assert np.sqrt(np.square(heard).mean()) == pytest.approx(0.5 / np.sqrt(2), abs=0.03)
    pictures = [frame for frame in came if isinstance(frame, OutputImageRawFrame)]
    assert pictures[0].size == (128, 128) and pictures[0].format == "RGB"
    lit = [np.frombuffer(frame.image, np.uint8).reshape(128, 128, 3)[:90, :20].mean() > 150 for frame in pictures]
    assert 20 <= sum(lit) <= 30 and not lit[-1]
    kinds = [type(frame) for frame in came]
    assert kinds.count(TTSStoppedFrame) == 1
    assert kinds.index(TTSStoppedFrame) > max(at for at, kind in enumerate(kinds) if kind is TTSAudioRawFrame)
    assert not face.thread.is_alive()


def test_an_interruption_ends_the_speech(face):
    came = run(
        face, [TTSStartedFrame(), *speech(8.0), SleepFrame(sleep=1.0), InterruptionFrame(), SleepFrame(sleep=1.0)]
    )
    sounds = [frame for frame in came if isinstance(frame, TTSAudioRawFrame)]
    assert 5 < len(sounds) < 40 and face.talk.closed
