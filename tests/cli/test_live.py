"""The command `live` into a file, and what it refuses before anything is loaded."""

import av
import pytest

from sonic_core.cli.main import main


def words(portrait_path, source, target, *more):
    sources = source if isinstance(source, list) else [str(source)]
    return ["live", "--image", str(portrait_path), "--audio-from", *sources, "--to", str(target), *more]


def test_two_sounds_into_one_file(portrait_path, speech_path, tmp_path, capsys):
    import soundfile

    from sonic_core.media.audio import load_audio, trimmed

    part = trimmed(load_audio(speech_path), 0.5, 1.0)
    soundfile.write(tmp_path / "a.wav", part.samples.T, part.rate)
    more = ("--preset", "fast", "--steps", "4", "--min-resolution", "128", "--label", "en")
    command = words(portrait_path, [str(tmp_path / "a.wav")] * 2, tmp_path / "talk.mp4", *more)
    assert main(command) == 0 and "50 frames" in capsys.readouterr().out
    with av.open(str(tmp_path / "talk.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 50 and "AIGC" in container.metadata
    assert [path.name for path in tmp_path.glob(".*")] == []


@pytest.mark.parametrize(
    ("source", "target", "more", "reason"),
    [
        ("mic", "http://host/x", (), "begins with 'http'"),
        ("nothing.wav", "rtmp://host/app/key", (), "does not exist"),
        (["mic", "a.wav"], "rtmp://host/app/key", (), "stand alone"),
        ("mic", "a.mp4", ("--loop",), "never ends"),
        ("mic", "a.mp4", ("--label", "\U0001f600"), "font"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(portrait_path, capsys, source, target, more, reason):
    assert main(words(portrait_path, source, target, *more)) == 2
    assert reason in capsys.readouterr().err
