from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from sonic_core.clip import Audio
from sonic_core.media.audio import load_audio
from sonic_core.media.container import open_media
from sonic_core.media.flac import save_flac


def test_a_title_in_another_encoding_is_borne(tmp_path: Path) -> None:
    path = save_flac(Audio(np.zeros((1, 8000), np.float32), 16000), tmp_path / "plain.flac")
    with av.open(str(path)) as plain, av.open(str(tmp_path / "titled.mkv"), "w") as titled:
        titled.metadata["title"] = "XXXXXX"
        stream = titled.add_stream("flac", rate=16000, layout="mono")
        for frame in plain.decode(audio=0):
            titled.mux(stream.encode(frame))
        titled.mux(stream.encode(None))
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes((tmp_path / "titled.mkv").read_bytes().replace(b"XXXXXX", b"\xe4\xf6\xfc\xff\xfe\xdf"))
    with open_media(damaged) as container:
        assert len(container.streams.audio) == 1 and container.metadata["title"] != "XXXXXX"
    assert load_audio(damaged).seconds > 0.4
