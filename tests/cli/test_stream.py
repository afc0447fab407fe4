"""The command `stream`, from its options to its files."""

import av

from sonic_core.cli.main import main
from sonic_core.media.hls import PLAYLIST


def test_a_stream_and_a_plain_video_with_label_and_record(portrait_path, speech_path, tmp_path, capsys):
    words = ["stream", "--image", str(portrait_path), "--audio", str(speech_path), "--output", str(tmp_path / "out")]
    words += ["--preset", "fast", "--min-resolution", "128", "--duration", "2.2", "--trim", "--label", "en"]
    assert main(words) == 0
    assert "55 frames" in capsys.readouterr().out
    with av.open(str(tmp_path / "out" / "video.mp4")) as plain:
        assert sum(1 for _ in plain.decode(video=0)) == 55 and "AIGC" in plain.metadata
    assert (tmp_path / "out" / PLAYLIST).read_text().count("#EXTINF") == 3
    assert main(words) == 2 and "holds a stream already" in capsys.readouterr().err
