"""Values as Python programs have them, numpy's and torch's too; and sentences about impossible ones stay short."""

import json
from array import array

import numpy as np
import pytest
import torch

from sonic_core.dubbing import DubOptions
from sonic_core.errors import InputError, SettingsError
from sonic_core.finishing import Finishing
from sonic_core.media.audio import load_audio
from sonic_core.pipeline import SonicPipeline
from sonic_core.request import Request
from sonic_core.settings import Settings


def test_numbers_of_numpy_and_torch_become_plain():
    made = Request.of(
        Settings(seed=np.int64(7), fps=np.float32(25), face_box=np.array([10, 20, 300, 400])),
        trim=np.bool_(True),
        faces=torch.tensor([2, 0]),
        smooth=np.float64(0.5),
        person=np.int32(1),
    )
    plain = Request.of(
        Settings(seed=7, fps=25.0, face_box=(10, 20, 300, 400)), trim=True, faces=(2, 0), smooth=0.5, person=1
    )
    assert made == plain and json.dumps(made.as_mapping()) == json.dumps(plain.as_mapping())


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Settings, {"seed": np.float64(3)}),
        (Settings, {"fps": np.float32("nan")}),
        (Settings, {"framing": np.array([1, 2])}),
        (Settings, {"faces": array("i", [0, 1])}),
        (Settings, {"mood": "x" * 5000}),
        (Finishing, {"background": np.zeros((600, 600, 3))}),
        (Finishing, {"label_text": "x" * 5000}),
        (DubOptions, {"person": np.zeros((2, 2))}),
    ],
)
def test_impossible_ones_are_said_in_a_short_sentence(kind, values):
    with pytest.raises(SettingsError) as error:
        kind(**values)
    assert next(iter(values)).split("_")[0] in str(error.value)
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


@pytest.mark.parametrize("settings", [3, {"fps": 25}, ["fast"], np.zeros((500, 500))])
def test_settings_of_another_kind(settings):
    for ask in (Request.of, lambda wrong: SonicPipeline(None, None)("p.png", "a.wav", wrong)):
        with pytest.raises(SettingsError, match="give Settings, a preset's name, or each as a keyword"):
            ask(settings)


@pytest.mark.parametrize("voices", [{}, {"a": "a.wav"}, {None: "a.wav"}, {True: "a.wav"}])
def test_the_voices_of_a_dub_are_by_number(voices):
    with pytest.raises(InputError, match="number of a person"):
        SonicPipeline(None, None).dub(None, voices)


def test_a_sound_in_bfloat16():
    sound = load_audio((torch.full((16000,), 0.5, dtype=torch.bfloat16, requires_grad=True), 16000))
    assert sound.samples.dtype == np.float32 and np.all(sound.samples == 0.5)
