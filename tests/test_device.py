import pytest
import torch

from sonic_core.device import best_device, device_of
from sonic_core.errors import SettingsError
from sonic_core.pipeline import SonicPipeline


def test_a_device_by_name():
    assert device_of("cpu") == device_of(torch.device("cpu")) == torch.device("cpu")
    assert device_of(None) == best_device()


@pytest.mark.parametrize("name", ["banana", "", "cuda:x", "cuda:99", "meta", 3.5, "\N{SNOWMAN}" * 1000])
def test_a_device_that_is_not_there_is_said_in_a_sentence(name):
    with pytest.raises(SettingsError, match=r"cannot be used on this machine \(.+\); leave it out") as error:
        device_of(name)
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)


def test_the_pipeline_refuses_it_before_it_loads_a_model():
    with pytest.raises(SettingsError, match="'banana'"):
        SonicPipeline.from_pretrained("lite", device="banana")
