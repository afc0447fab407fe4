"""The library's sentences in the canvas's words: what to do is said by the names of widgets and nodes.

A sentence of the library is "what was wrong; what to do". Only the second half differs on the canvas.
"""

from __future__ import annotations

from sonic_core.errors import SonicError

# How a sentence begins -> what to do about it on the canvas.
ADVICE = {
    "no face was found": "set face_box, or paint face_mask on Load Image (right-click, Open in Mask Editor)",
    "nothing in the box": "set face_box, or paint face_mask on Load Image, so that it fits one face closely",
    "face ": "set face_index to one of them",
    "duration is ": "set duration to 0 to take the audio's, or to less than the audio's with trim on",
}


def on_canvas(error: SonicError, which: str = "") -> SonicError:
    """The error with advice for the canvas; `which` says which of several photos it is about."""
    text = str(error)
    for begin, advice in ADVICE.items():
        if text.startswith(begin):
            text = f"{text.partition(';')[0]}; {advice}"
            break
    return type(error)(which + text)
