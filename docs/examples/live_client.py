"""Lets a photo speak what a program says: PCM goes in, events and an MP4 come out. pip install httpx websockets

python live_client.py http://127.0.0.1:8000 KEY portrait.jpg speech.wav talk.mp4
"""

import json
import sys
import wave
from pathlib import Path

import httpx
from websockets.sync.client import connect

service, key, photo, sound, output = sys.argv[1:]
consent = {"agreed": True, "subject": "me", "subject_is_user": True, "purpose": "a test of the live client"}
answer = httpx.post(
    f"{service}/live",
    headers={"Authorization": f"Bearer {key}"},
    files={"image": Path(photo).read_bytes()},
    data={"consent": json.dumps(consent), "settings": json.dumps({"label": "en"})},
    timeout=60,
)
answer.raise_for_status()
address = service.replace("http", "ws", 1) + answer.json()["socket"]
with connect(address, max_size=None) as talk, wave.open(sound) as speech, open(output, "wb") as video:
    talk.send(json.dumps({"type": "start", "rate": speech.getframerate(), "format": "s16"}))
    while piece := speech.readframes(speech.getframerate() // 5):  # as a TTS would: faster than it is spoken
        talk.send(piece)
    talk.send(json.dumps({"type": "end"}))
    for message in talk:
        if isinstance(message, bytes):
            video.write(message)
        elif (event := json.loads(message)["type"]) in ("idle", "error", "ended"):
            print(message)
            break
        else:
            print(event)
