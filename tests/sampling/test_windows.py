"""Windows cover every frame, move with the step and are averaged back."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.sampling.windows import Windows, circular_windows, merge_windows


@st.composite
def layouts(draw):
    length = draw(st.integers(1, 12))
    return draw(st.integers(1, 40)), length, draw(st.integers(0, length - 1)), draw(st.integers(-50, 50))


@given(layouts())
def test_every_frame_is_covered_and_windows_run_on(layout):
    frames, length, overlap, start = layout
    indices = circular_windows(frames, length, overlap, start)
    assert indices.shape == (-(-frames // (length - overlap)), length)
    assert set(indices.flatten().tolist()) == set(range(frames))
    assert indices[0, 0] == start % frames
    assert torch.equal(indices[:, 1:], (indices[:, :-1] + 1) % frames)


@given(layouts())
def test_merging_what_was_cut_gives_it_back(layout):
    frames, length, overlap, start = layout
    values = torch.randn(frames, 3, generator=torch.Generator().manual_seed(frames))
    indices = circular_windows(frames, length, overlap, start)
    torch.testing.assert_close(merge_windows(values[indices], indices, frames), values)


def test_a_frame_seen_twice_is_averaged():
    indices = torch.tensor([[0, 1], [1, 2]])
    parts = torch.tensor([[[1.0], [2.0]], [[4.0], [8.0]]])
    assert merge_windows(parts, indices, 3).tolist() == [[1.0], [3.0], [8.0]]


def test_a_clip_shorter_than_a_window_repeats_frames():
    assert circular_windows(3, 5, 0, start=-1).tolist() == [[2, 0, 1, 2, 0]]


def test_cuts_move_back_with_the_step():
    windows = Windows(length=4, overlap=0, shift=3)
    assert windows.at(8, 0).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert windows.at(8, 1).tolist() == [[5, 6, 7, 0], [1, 2, 3, 4]]
    assert windows.count(9) == 3


@pytest.mark.parametrize(("frames", "length", "overlap"), [(0, 4, 0), (8, 4, 4), (8, 4, -1)])
def test_impossible_windows_are_refused(frames, length, overlap):
    with pytest.raises(ValueError, match="cannot cut"):
        circular_windows(frames, length, overlap)
