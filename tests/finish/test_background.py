"""What stands behind a person who was cut out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sonic_core.clip import Clip
from sonic_core.errors import InputError, SettingsError
from sonic_core.finish.background import on_background
from sonic_core.finish.chain import finished
from sonic_core.finishing import Finishing, parse_background


def person(alpha: float = 0.0, size: tuple[int, int] = (40, 60)) -> Clip:
    """Two frames, red, whole in the middle and with `alpha` outside."""
    frames = np.zeros((2, *size, 4), np.float32)
    frames[..., 0] = 1
    frames[..., 3] = alpha
    frames[:, 10:30, 20:40, 3] = 1
    return Clip.of_frames(frames, 25)


def first(clip: Clip) -> np.ndarray:
    return (next(clip.frames()) * 255 + 0.5).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "colour"), [("green", (0, 177, 64)), ("Blue", (0, 71, 187)), ("#0a141e", (10, 20, 30))]
)
def test_colours(name: str, colour: tuple[int, int, int]) -> None:
    made = on_background(person(), name)
    assert made.channels == 3
    assert (first(made)[0, 0] == colour).all() and (first(made)[20, 30] == (255, 0, 0)).all()


def test_a_picture_covers_the_frame(tmp_path: Path) -> None:
    picture = np.zeros((100, 400, 3), np.uint8)
    picture[:, 125:275] = (0, 0, 255)  # the middle of the width that is left of it
    Image.fromarray(picture).save(tmp_path / "behind.png")
    made = first(on_background(person(), str(tmp_path / "behind.png")))
    assert (made[0] == (0, 0, 255)).all() and (made[-1] == (0, 0, 255)).all()


def test_transparent_keeps_alpha() -> None:
    assert on_background(person(), "transparent").has_alpha


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("grene", "green, blue, #rrggbb, transparent"), ("#12", "#rrggbb"), ("#gggggg", "#rrggbb"), ("", "is unknown")],
)
def test_what_is_no_background_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Finishing(background=text)


def test_a_picture_that_is_not_there(tmp_path: Path) -> None:
    assert parse_background("beach.jpg") == Path("beach.jpg")
    with pytest.raises(InputError, match="does not exist"):
        on_background(person(), str(tmp_path / "none.png"))


def test_the_canvas_beside_the_person_is_background_too() -> None:
    made = finished(person(), Finishing(background="green", canvas="64x96", canvas_mode="blur"))
    picture = first(made)
    assert picture.shape == (96, 64, 3)
    assert (picture[2, 2] == (0, 177, 64)).all() and (picture[48, 32] == (255, 0, 0)).all()


def test_the_label_stands_where_there_is_no_person() -> None:
    wanted = Finishing(background="transparent", label_text="AI", label_corner="bottom-right")
    frame = next(finished(person(size=(120, 120)), wanted).frames())
    corner = frame[-40:, -60:]
    letters = corner[corner[..., 3] > 0.9][:, :3]
    assert len(letters) > 0 and letters.max() > 0.99  # white, as over a picture
    assert frame[2, 2, 3] == 0
