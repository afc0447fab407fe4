"""Training of head, lids and gaze: what the net is asked for gives the clean motion back, and it can be evaluated."""

from __future__ import annotations

import torch

from sonic_core.engines.lite.motion_net import MotionConfig, MotionNet
from training.motion.train import evaluate, noisy_pair


def test_the_target_leads_from_noisy_to_clean():
    clean = torch.randn(64, 5, 12, generator=torch.Generator().manual_seed(1))
    scaled, noise, target = noisy_pair(clean, torch.Generator().manual_seed(2))
    sigma = torch.exp(4 * noise)[:, None, None]
    root = (sigma**2 + 1).sqrt()
    assert ((scaled / root - sigma / root * target) - clean).abs().max() < 1e-3


def test_a_net_can_be_evaluated():
    torch.manual_seed(0)
    assert "blinks a minute" in evaluate(MotionNet(MotionConfig()).eval(), seconds=1.0)
