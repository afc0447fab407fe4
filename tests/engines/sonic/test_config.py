"""Configurations: released sizes by default, others from a file."""

import json

import pytest

from sonic_core.engines.sonic.config import SonicConfig, UNetConfig, read_config
from sonic_core.errors import ModelError


def test_one_number_stands_for_all_levels():
    config = UNetConfig(num_attention_heads=4, layers_per_block=3)  # type: ignore[arg-type]
    assert config.num_attention_heads == (4, 4, 4, 4)
    assert config.layers_per_block == (3, 3, 3, 3)


def test_what_a_file_leaves_out_is_released(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"unet": {"block_out_channels": [32, 64], "unknown": 1}, "sampler": {"overlap": 2}}))
    config = read_config(path)
    assert config.unet.block_out_channels == (32, 64)
    assert config.sampler.overlap == 2
    assert config.sampler.frames_per_window == SonicConfig().sampler.frames_per_window == 25
    assert config.scheduler == SonicConfig().scheduler


@pytest.mark.parametrize("text", ["", "[]", '{"unet": 3}', "\xff"])
def test_a_file_that_is_none_is_named(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"config\.json"):
        read_config(path)
