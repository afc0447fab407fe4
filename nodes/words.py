"""The library's sentences in the canvas's words: what to do is said by the names of widgets and nodes.

A sentence of the library is "what was wrong; what to do". Only the second half differs on the canvas.
"""

from __future__ import annotations

from copy import copy

from sonic_core.errors import SonicError

BY_HAND = "set face_box, or paint face_mask on Load Image (right-click, Open in Mask Editor)"
# What stands before the semicolon -> what to do about it on the canvas.
ADVICE = {
    "no face was found in the image": BY_HAND,
    "nothing in the box": f"{BY_HAND}, so that it fits one face closely",
    "was asked for but the image has": "set face_index to one of them",
    "was asked for but the clip has": "set start to one of them",
    "the mouth of this face is hidden": "use a photo that shows it, set face_index to another face, or set "
    "covered_mouth to keep, which moves head and eyes only",
    "duration is ": "set duration to 0 to take the audio's, or to less than the audio's with trim on",
    "no face was found in the video": "connect a video in which a face is seen from the front",
    "who speaks is found by the video's own sound": "set who to one, and person",
    "who speaks can be told for": "set who to one, and person",
    "a voice is for person": "set person to one of them, or to -1",
    "engine makes photos speak": "set model to lite in Sonic: Load Model to dub a video",
    "the UNet overflowed": "set precision to bf16 or fp32 in Sonic: Load Model",
    "RIFE/flownet.pkl is not there": "fetch it with Sonic: Download Model, or set method to flow",
}


def with_advice(error: SonicError, which: str = "") -> SonicError:
    """The error with advice for the canvas; `which` says which of several photos it is about."""
    text = str(error)
    wrong = text.partition(";")[0]
    advice = next((advice for said, advice in ADVICE.items() if said in wrong), None)
    advised = copy(error)  # and not type(error)(...): some classes word their sentence themselves
    advised.args = (which + (text if advice is None else f"{wrong}; {advice}"),)
    return advised
