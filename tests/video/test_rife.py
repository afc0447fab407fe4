"""IFNet: symmetric, indifferent to the size, and still where nothing moves."""

import pytest
import torch

from sonic_core.errors import ModelError
from sonic_core.video.rife import IFNet, middle_frames, warp


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return IFNet(8, 4).eval().requires_grad_(False)


def frames(height=40, width=56):
    return torch.rand(2, 1, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_the_order_of_the_frames_does_not_matter(network):
    first, second = frames()
    torch.testing.assert_close(middle_frames(network, first, second), middle_frames(network, second, first))


@pytest.mark.parametrize("size", [(32, 64), (40, 56), (33, 31)])
def test_any_size_comes_back(network, size):
    middle = middle_frames(network, *frames(*size))
    assert middle.shape == (1, 3, *size)
    assert (middle.min() >= 0) & (middle.max() <= 1)


def test_a_flat_picture_stays(network):
    flat = torch.full((1, 3, 32, 32), 0.3)
    torch.testing.assert_close(middle_frames(network, flat, flat), flat)


def test_warping_looks_where_the_flow_points():
    picture = torch.arange(5.0).expand(1, 1, 4, 5)
    flow = torch.zeros(1, 2, 4, 5)
    flow[:, 0] = 1.5
    assert warp(picture, flow)[0, 0, 0].tolist() == pytest.approx([1.5, 2.5, 3.5, 4.0, 4.0])


def test_the_file_is_recognised(network):
    state = {f"module.{k}": v for k, v in network.state_dict().items()} | {"module.block_tea.x": torch.ones(1)}
    read = IFNet.from_state(state)
    first, second = frames()
    torch.testing.assert_close(middle_frames(read, first, second), middle_frames(network, first, second))
    with pytest.raises(ModelError, match=r"flownet\.pkl"):
        IFNet.from_state({"a": torch.ones(1)})
