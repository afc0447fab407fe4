"""What a video shows and says, in a few bytes: two roads that mean the same give the same."""

import hashlib

import numpy as np

from sonic_core.media.video import open_video


def picture_of(clip):
    """A hash of all frames."""
    frames = hashlib.sha256()
    for frame in clip.frames():
        frames.update((frame * 255).round().astype(np.uint8).tobytes())
    return frames.hexdigest()


def fingerprint(path):
    """Hashes of the frames and of the sound, and how many there are."""
    clip = open_video(path)
    sound = hashlib.sha256(clip.audio.samples.tobytes()).hexdigest()
    size = f"{clip.width} x {clip.height}"
    return {"frames": clip.frame_count, "fps": clip.fps, "size": size, "picture": picture_of(clip), "sound": sound}
