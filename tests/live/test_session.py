"""The core: order, events, barge-in, and that the time of day changes nothing."""

import numpy as np
import pytest
from bar_talk import BarTalk, tone

from sonic_core.live.pace import unpaced
from sonic_core.live.session import HELD, LiveSession
from sonic_core.live.sound import FADE, RATE


def moments(session: LiveSession, frames: int) -> list:
    return [moment for _ in range(frames // 4) for moment in session.advance(4)]


def test_sound_and_picture_of_a_moment_belong_together(bar):
    session = LiveSession(bar)
    sound = np.concatenate([tone(0.4), np.zeros(RATE // 5, np.float32), tone(0.4)])
    session.push(sound, RATE)
    session.end()
    found = moments(session, 28)
    assert [moment.index for moment in found] == list(range(25))
    heard = np.concatenate([moment.sound for moment in found])
    assert np.array_equal(heard[FADE : RATE - FADE], sound[FADE : RATE - FADE])
    for moment in found:
        assert abs(moment.row[0] - np.sqrt(np.square(moment.sound).mean())) < 0.06


def test_every_piece_of_a_file_comes_out_once(bar):
    pieces = [(part, 44100) for part in np.array_split(tone(3.33, 44100), 57)]
    shown = list(unpaced(LiveSession(bar), pieces))
    assert abs(len(shown) - 3.33 * 25) < 1.5
    assert [item.moment.index for item in shown] == list(range(len(shown)))


def test_events_tell_when_somebody_speaks(bar):
    events = []
    session = LiveSession(bar, on_event=events.append)
    moments(session, 40)
    assert events == []
    session.push(np.concatenate([tone(0.5), np.zeros(RATE // 4, np.float32), tone(0.5)]), RATE)
    session.end()
    found = moments(session, 80)
    assert events == ["speaking", "idle"]  # a short pause is part of the speech
    spoken = [moment.index for moment in found if moment.speaking]
    assert len(spoken) == pytest.approx(1.25 * 25 + HELD, abs=2)


def test_an_interrupt_silences_at_once_and_the_talk_goes_on(bar):
    events = []
    session = LiveSession(bar, on_event=events.append)
    session.push(tone(5), RATE)
    moments(session, 20)
    session.interrupt()
    after = moments(session, 40)
    assert bar.closed and events == ["speaking", "interrupted"]
    assert not any(moment.sound[FADE:].any() for moment in after[:1])
    assert not any(moment.sound.any() for moment in after[1:])
    session.push(tone(1), RATE)
    assert any(moment.speaking for moment in moments(session, 16))


def test_the_same_pushes_give_the_same_talk_and_cutting_does_not_matter():
    def talk(sizes):
        session = LiveSession(BarTalk())
        sound, at = tone(2, 16000), 0
        while at < len(sound):
            for size in sizes:
                session.push(sound[at : at + size], 16000)
                at += size
        session.end()
        return [(m.index, m.row.tobytes(), m.sound.tobytes()) for m in moments(session, 60)]

    assert talk([100]) == talk([100])
    rows = [np.array([np.frombuffer(row, np.float32)[0] for _, row, _ in talk(sizes)]) for sizes in ([100], [31, 4000])]
    assert np.allclose(*rows, atol=1e-4)


def test_an_hour_of_silence_holds_no_more_than_a_minute(bar):
    session = LiveSession(bar)
    moments(session, 100)
    held = len(session._held), session.queue.waiting, len(bar.speech)
    moments(session, 5000)
    assert (len(session._held), session.queue.waiting, len(bar.speech)) == held
