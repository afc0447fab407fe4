"""A talk that is quick to compute and easy to read: a row is a frame's loudness, a picture a bar as long as that."""

import numpy as np


class BarTalk:
    look_ahead, size = 3, (64, 64)

    def __init__(self):
        self.speech = np.zeros(0, np.float32)
        self.drawn = 0
        self.closed = False

    def push(self, speech):
        self.speech = np.concatenate([self.speech, speech])
        ready = max(0, len(self.speech) // 640 - self.look_ahead)
        parts, self.speech = self.speech[: ready * 640].reshape(ready, 640), self.speech[ready * 640 :]
        return np.sqrt(np.square(parts).mean(1, keepdims=True))

    def draw(self, row):
        self.drawn += 1
        picture = np.full((64, 64, 3), 20, np.uint8)
        picture[:, : int(min(row[0] * 100, 64))] = 220
        return picture

    def interrupt(self):
        self.closed = True


class BigTalk(BarTalk):
    """The same at twice the size, for what needs room: a label, a codec."""

    size = (128, 128)

    def draw(self, row):
        return np.kron(super().draw(row), np.ones((2, 2, 1), np.uint8))


def tone(seconds: float, rate: int = 48000, hertz: float = 300.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)
