"""Windows of speech features and the two networks on them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.errors import ModelError
from sonic_core.speech.tokens import (
    AudioToBucket,
    AudioToToken,
    check_widths,
    conditions,
    feature_rows,
    frame_count,
    frame_windows,
)


@given(st.integers(0, 10**6))
def test_two_video_frames_make_one_of_the_model(samples):
    assert frame_count(samples) == samples // 640 // 2
    assert feature_rows(samples) >= 4 * frame_count(samples)


def test_a_frame_sees_rows_around_its_own():
    rows = torch.arange(1.0, 9).view(8, 1, 1)
    windows = frame_windows(rows, (4, 6), 10, 2)[:, :, 0, 0]
    assert windows.tolist() == [[0, 0, 0, 0, 1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7, 8, 0, 0]]


def networks(layers=2, width=4, context=6):
    torch.manual_seed(0)
    tokens = AudioToToken(10 * layers * width, 8, 3, context)
    buckets = AudioToBucket(50 * width + context, 8, 2)
    return AudioToToken.from_state(tokens.state_dict()), AudioToBucket.from_state(buckets.state_dict())


def test_conditions_of_a_clip():
    tokens, buckets = networks()
    features = torch.randn(50, 2, 4)
    face = torch.randn(6)
    made, motion = conditions(features, 11 * 1280, tokens, buckets, face)
    assert made.shape == (11, 3, 6)
    assert motion.shape == (11, 2)
    zero = torch.zeros(44, 2, 4)
    silent, _ = conditions(zero, 11 * 1280, tokens, buckets, face)
    torch.testing.assert_close(silent, tokens.silence().expand(11, -1, -1))


def test_rows_past_the_speech_are_not_seen_and_missing_ones_are_zero():
    tokens, buckets = networks()
    features, face = torch.randn(60, 2, 4), torch.randn(6)
    short = conditions(features[:41], 11 * 1280, tokens, buckets, face)
    filled = conditions(torch.cat([features[:41], torch.zeros(3, 2, 4)]), 11 * 1280, tokens, buckets, face)
    torch.testing.assert_close(short, filled)
    long = conditions(features, 11 * 1280, tokens, buckets, face)
    torch.testing.assert_close(long, conditions(features[:44], 11 * 1280, tokens, buckets, face))


def test_sizes_are_read_and_checked():
    tokens, buckets = networks(layers=2, width=4, context=6)
    assert (tokens.tokens, tokens.width, tokens.feature_size, buckets.feature_size(6)) == (3, 6, 8, 4)
    check_widths(tokens, buckets, 2, 4, 6)
    with pytest.raises(ModelError, match="audio2token expects 8"):
        check_widths(tokens, buckets, 13, 768, 6)
    with pytest.raises(ModelError, match="audio2bucket expects 4"):
        check_widths(tokens, buckets, 1, 8, 6)
    with pytest.raises(ModelError, match=r"lacks 'proj1\.weight'"):
        AudioToToken.from_state({})
