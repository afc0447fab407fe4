"""Alpha carried over to frames that an engine made without it."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from sonic_core.clip import Clip
from sonic_core.face.detect import Face
from sonic_core.face.framing import Portrait
from sonic_core.finish.alpha import cut_out_video, with_alpha
from sonic_core.matting.cutout import cut_out


def test_alpha_moves_as_the_frames_move(portrait_path: Path) -> None:
    photo = np.asarray(Image.open(portrait_path).convert("RGB").resize((192, 192)))
    cutout = cut_out(photo)
    face = Face((60, 30, 130, 110), np.zeros((478, 3), np.float32), 1.0)
    shift = np.float32([[1, 0, 3], [0, 1, -2]])
    moved = cv2.warpAffine(photo, shift, (192, 192), borderMode=cv2.BORDER_REPLICATE)
    clip = Clip.of_frames(np.stack([photo, moved]).astype(np.float32) / 255, 25)
    first, second = with_alpha(clip, Portrait(photo, face, None, cutout)).frames()
    expected = cv2.warpAffine(cutout.alpha, shift, (192, 192), borderMode=cv2.BORDER_REPLICATE) / 255
    assert np.abs(first[..., 3] - cutout.alpha / 255).mean() < 0.004
    assert np.abs(second[..., 3] - expected).mean() < 0.01
    assert np.abs(first[..., 3] - expected).mean() > 0.02  # it has moved


def test_a_clip_with_alpha_stays() -> None:
    clip = Clip.of_frames(np.zeros((1, 32, 32, 4), np.float32), 25)
    assert cut_out_video(clip) is clip
