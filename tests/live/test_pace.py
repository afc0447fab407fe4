"""The clock of a talk, with a clock that the test moves."""

from itertools import pairwise

from bar_talk import BarTalk, tone

from sonic_core.live.pace import BLOCK, Pace
from sonic_core.live.session import LiveSession
from sonic_core.live.sound import FPS, RATE


class Time:
    """A clock that moves when somebody sleeps, and by what each picture costs."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class SlowTalk(BarTalk):
    def __init__(self, time, seconds):
        super().__init__()
        self.time, self.seconds = time, seconds

    def draw(self, row):
        self.time.now += self.seconds
        return super().draw(row)


def run(picture_seconds: float, seconds: float):
    time = Time()
    pace = Pace(time, time.sleep)
    session = LiveSession(SlowTalk(time, picture_seconds))
    session.push(tone(seconds), RATE)
    start, shown = time.now, []
    for item in pace.frames(session, lambda: time.now - start >= seconds):
        shown.append((time.now - start, item))
    return pace, shown


def test_a_quick_machine_shows_every_frame_on_time(caplog):
    pace, shown = run(0.01, 60)
    assert not caplog.messages
    assert pace.left_out == 0 and len(shown) >= 60 * FPS - BLOCK - 3
    for at, item in shown:
        # A frame comes when its block has been heard: its own time, the look-ahead, at most a block, the drawing.
        late = at - (item.moment.index + 1) / FPS
        assert 3 / FPS <= late <= (3 + BLOCK) / FPS + 0.05


def test_a_slow_machine_leaves_pictures_out_and_keeps_up(caplog):
    pace, shown = run(0.09, 61)  # more than the 0.04 s that a frame may take
    assert 1 <= sum("s behind" in message for message in caplog.messages) <= 2
    assert 0.4 < pace.left_out / len(shown) < 0.7
    at, last = shown[-1]
    assert at - last.moment.index / FPS < 0.9 and pace.behind < 0.7
    assert [item.moment.index for _, item in shown] == list(range(len(shown)))  # sound is never left out
    gaps = [item.moment.index for _, item in shown if item.picture is not None]
    assert max(b - a for a, b in pairwise(gaps)) <= FPS


def test_after_sleep_the_clock_starts_again():
    time = Time()
    pace = Pace(time, time.sleep)
    session = LiveSession(BarTalk())
    frames = pace.frames(session, lambda: False)
    for _ in range(40):
        next(frames)
    time.now += 3600
    for _ in range(40):
        next(frames)
    assert pace.restarts == 1 and pace.behind < 0.1
