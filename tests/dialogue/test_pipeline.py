"""Dialogues and dubs by the pipeline: finished as every clip, and a photo of two with a channel each."""

import numpy as np
import pytest

from sonic_core.clip import Audio
from sonic_core.disclosure.label import RECORD_KEY
from sonic_core.errors import InputError
from sonic_core.pipeline import SonicPipeline

from .conftest import Recorder, voice


def test_a_channel_each_is_a_dialogue_with_its_record(couple, detector):
    engine = Recorder()
    pipe = SonicPipeline(engine, detector)
    stereo = Audio(np.concatenate([voice(0, 1).samples, voice(1, 2).samples]), 16000)
    clip = pipe(couple, stereo, voices="channels", min_resolution=240, job_id="job-7")
    assert len(engine.heard) == 2 and clip.frame_count == 50 and "job-7" in clip.metadata[RECORD_KEY]
    assert "AIGC" not in pipe(couple, stereo, voices="channels", min_resolution=240, record=False).metadata


def test_one_channel_is_no_dialogue(couple, detector):
    with pytest.raises(InputError, match="one channel"):
        SonicPipeline(Recorder(), detector)(couple, voice(0, 1), voices="channels")
