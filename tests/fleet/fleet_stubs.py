"""Engines that make no talking face and a queue that is none, for tests of everything around them."""

import time

import numpy as np

from sonic_core.fleet.sweeper import QueueError


def bytes_engine(task):
    """A file that names the job, in no time."""
    task.report("rendering", 0.5)
    task.output.write_bytes(f"video of {task.job_id}\n".encode() * 2000)
    return {}


def slow_bytes_engine(task):
    """The same in about a second, so that a worker can be killed in the middle."""
    for step in range(20):
        task.report("rendering", step / 20)
        time.sleep(0.05)
    return bytes_engine(task)


def lite_engine(task, made=[]):  # noqa: B006
    """The engine that ships; loaded with the first job of a process."""
    from sonic_core.fleet.backends import core_engine

    if not made:
        made.append(core_engine("lite", "cpu"))
    return made[0](task)


def video_engine(task):
    """A real MP4 of two seconds that a browser plays, with steps to watch."""
    import av

    with av.open(str(task.output), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 256, "yuv420p"
        for number in range(50):
            task.report("rendering", number / 50)
            time.sleep(0.08)
            picture = np.full((256, 256, 3), (number * 5, 120, 200 - number * 2), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return {}


def stub_engine(task):
    """A file that names the job; asserts that the inputs are there."""
    task.report("rendering", 0.5)
    assert task.picture.stat().st_size and task.audio.stat().st_size
    task.output.write_bytes(f"video of {task.job_id}".encode())
    return {"render": 0.01}


class FakeQueue:
    """A broker that notes what is published, and can be down."""

    def __init__(self):
        self.published, self.waiting, self.down = [], 0, False

    def publish(self, job_id):
        if self.down:
            raise QueueError("ConnectionRefusedError")
        self.published.append(job_id)

    def depth(self):
        return self.waiting


def endless_engine(task):
    """Renders until it is stopped, with a first half of a video on the disk."""
    task.output.write_bytes(b"video of nobody yet")
    while True:
        task.report("rendering", 0.5)
        time.sleep(0.05)
