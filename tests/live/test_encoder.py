"""What is written of a talk: pictures and sound in step, label and record in it, fragments that join to one MP4."""

import io
import json

import av
import numpy as np
from bar_talk import BigTalk, tone

from sonic_core.disclosure.label import VisibleLabel
from sonic_core.live.fragments import Fragmenter
from sonic_core.live.pace import LiveFrame, unpaced
from sonic_core.live.session import LiveSession
from sonic_core.live.sound import RATE


def talk(seconds: float = 4.0) -> list[LiveFrame]:
    sound = np.concatenate([np.zeros(RATE, np.float32), tone(1.0), np.zeros(RATE * 4, np.float32)])
    return list(unpaced(LiveSession(BigTalk()), [(sound[: round(seconds * RATE)], RATE)]))


def joined(shown: list[LiveFrame], label=None) -> tuple[list[bytes], bytes]:
    fragments = Fragmenter((128, 128), label, "job-7")
    parts = [fragments.write(item) for item in shown] + [fragments.close()]
    return parts, b"".join(parts)


def decoded(data: bytes):
    with av.open(io.BytesIO(data)) as container:
        pictures = [(frame.time, frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
        metadata = dict(container.metadata)
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(audio=0))
    return pictures, np.concatenate([frame.to_ndarray()[0] for frame in frames]), metadata


def test_light_and_sound_begin_together():
    pictures, sound, metadata = decoded(joined(talk())[1])
    assert len(pictures) == 100
    lit = next(time for time, picture in pictures if picture[:, :20].mean() > 100)
    heard = np.flatnonzero(np.abs(sound) > 0.1)[0] / RATE
    assert abs(lit - heard) < 0.045 and abs(heard - 1) < 0.03
    assert json.loads(metadata["AIGC"])["ProduceID"] == "job-7"


def test_fragments_come_with_their_block_and_any_beginning_plays():
    parts, _ = joined(talk())
    gaps = np.diff([index for index, part in enumerate(parts) if part])
    assert gaps.max() <= 5
    early = b"".join(parts[:40])
    assert len(decoded(early)[0]) >= 30


def test_the_label_stands_for_two_seconds_or_throughout():
    plain = [picture for _, picture in decoded(joined(talk())[1])[0]]
    for label, stands in ((VisibleLabel("AI"), 50), (VisibleLabel("AI", seconds=None), 100)):
        marked = [picture for _, picture in decoded(joined(talk(), label)[1])[0]]
        differs = [np.abs(a.astype(int) - b)[96:, 96:].max() > 60 for a, b in zip(plain, marked, strict=True)]
        assert differs == [index < stands for index in range(100)]


def test_a_picture_that_is_left_out_moves_nothing():
    shown = talk()
    gapped = [LiveFrame(item.moment, None) if 30 <= index < 40 else item for index, item in enumerate(shown)]
    pictures, sound, _ = decoded(joined(gapped)[1])
    assert len(pictures) == 90 and np.diff([time for time, _ in pictures]).max() > 0.4
    assert np.array_equal(sound, decoded(joined(shown)[1])[1])


def test_who_joins_late_waits_two_seconds_at_most_however_many_pictures_are_left_out():
    shown = [LiveFrame(item.moment, None) if item.moment.index % 5 else item for item in talk(6.0)]
    with av.open(io.BytesIO(joined(shown)[1])) as container:
        keys = [float(p.pts * p.time_base) for p in container.demux(video=0) if p.is_keyframe and p.pts is not None]
    assert len(keys) == 3 and np.diff(keys).max() <= 2.05
