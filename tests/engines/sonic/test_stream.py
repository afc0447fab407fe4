"""A stream of the Sonic engine: it samples the clip first, then its segments come while the rest is decoded."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from sonic_core import Audio, SonicPipeline
from sonic_core.media.hls import PLAYLIST, save_plain, save_stream, segments


@pytest.fixture(scope="module")
def pipe(model_folder: Path) -> SonicPipeline:
    return SonicPipeline.from_pretrained(model_folder, device="cpu", dtype=torch.float32)


def test_segments_come_while_frames_are_decoded(pipe, portrait_path, tmp_path):
    sound = Audio((0.1 * np.random.default_rng(0).standard_normal((1, 52_000))).astype(np.float32), 16000)
    sampled, seen = [], []
    chosen = {"inference_steps": 1, "min_resolution": 128}
    clip = pipe.stream(portrait_path, sound, on_step=lambda done, total, preview=None: sampled.append(done), **chosen)
    assert sampled and clip.seconds == pytest.approx(3.25, abs=0.1)

    def look(done: int, total: int) -> None:
        if (tmp_path / "stream" / PLAYLIST).exists():
            seen.append((done, len(segments((tmp_path / "stream" / PLAYLIST).read_text()))))

    playlist = save_stream(clip, tmp_path / "stream", on_frame=look)
    done, listed = seen[0]
    assert listed >= 1 and done < clip.frame_count, "the first segment does not wait for the last frame"
    plain = save_plain(tmp_path / "stream", tmp_path / "plain.mp4")
    with av.open(str(playlist)) as streamed, av.open(str(plain)) as joined:
        frames = [[f.to_ndarray(format="gray") for f in container.decode(video=0)] for container in (streamed, joined)]
    assert len(frames[0]) == clip.frame_count and np.array_equal(*frames)
