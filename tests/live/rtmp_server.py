"""Takes one RTMP connection on a port and counts what comes; hangs up after so many pictures. Prints JSON.

A process of its own: PyAV holds Python's lock while it connects, so one process cannot be both sides.
"""

import json
import sys

import av

address, most = sys.argv[1], int(sys.argv[2])
pictures = sounds = 0
metadata = {}
try:
    with av.open(address, options={"listen": "1"}, timeout=(60, 10)) as container:
        metadata = dict(container.metadata)
        for packet in container.demux():
            frames = packet.decode()
            pictures += sum(isinstance(frame, av.VideoFrame) for frame in frames)
            sounds += sum(isinstance(frame, av.AudioFrame) for frame in frames)
            if pictures >= most:
                break
except av.FFmpegError as error:
    print(f"ended: {error}", file=sys.stderr)
print(json.dumps({"pictures": pictures, "sounds": sounds, "metadata": metadata}))
