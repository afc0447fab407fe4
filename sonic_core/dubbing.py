"""Every option of a dub: who speaks, and what becomes of a video that is shorter or longer than the speech. Values and
their checks only; `dub.dub` does the work. The command line, jobs and the node take options and ranges from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sonic_core.errors import SettingsError
from sonic_core.settings import choice, keep_plain, number

Who = Literal["one", "auto"]
Longer = Literal["pingpong", "loop", "freeze"]
Shorter = Literal["rest", "cut"]
WHO: tuple[Who, ...] = get_args(Who)
LONGER: tuple[Longer, ...] = get_args(Longer)
SHORTER: tuple[Shorter, ...] = get_args(Shorter)
WHOEVER = -1  # fills most of the video


@dataclass(frozen=True)
class DubOptions:
    """Options of a dub. Raises SettingsError for values that are not possible."""

    person: int = number(
        WHOEVER, WHOEVER, 63, 1, "who speaks a single voice, by number; -1: whoever fills most of the video (dub)"
    )
    who: Who = choice(
        "one", WHO, "one: `person` speaks all of it; auto: whoever spoke at that time in the video's own sound (dub)"
    )
    longer: Longer = choice(
        "pingpong",
        LONGER,
        "what fills the picture when the speech is longer: the last two seconds back and forth, the video again, or "
        "its last picture (dub)",
    )
    shorter: Shorter = choice(
        "rest", SHORTER, "when the speech is shorter: the video goes on with the lips shut, or is cut (dub)"
    )
    own_sound: float = number(
        0.0, 0.0, 1.0, 0.05, "level of the video's own sound under the new voice, as a factor; 0: none (dub)"
    )

    def __post_init__(self) -> None:
        keep_plain(self)
        if self.who == "auto" and self.person != WHOEVER:
            raise SettingsError(f"who is auto and person is {self.person}; leave person out, or set who to one")

    @property
    def needs_own_sound(self) -> bool:
        """Whether the video's own sound has to be read."""
        return self.own_sound > 0 or self.who == "auto"
