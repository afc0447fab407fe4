"""The renderer on a drawn face whose landmarks are known exactly, and on the example portrait."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sonic_core.engines.lite.articulation import Articulation
from sonic_core.engines.lite.interior import DENSITY, Interior
from sonic_core.engines.lite.landmarks import LOWER_INNER, LOWER_LIP, UPPER_INNER, UPPER_LIP
from sonic_core.engines.lite.layout import (
    BROWS,
    CHANNELS,
    GAZE,
    HEAD_ROTATION,
    HEAD_TRANSLATION,
    LIDS,
    MOUTH,
    PRESS,
    TEETH,
    MouthBasis,
)
from sonic_core.engines.lite.lips import Lips
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.engines.lite.texture import extended
from sonic_core.face.covers import Covers
from sonic_core.face.framing import View
from sonic_core.matting.cutout import Cutout

FIXTURES = Path(__file__).parents[2] / "fixtures"
REST = np.zeros(CHANNELS, np.float32)
NOSE_TIP = 1  # landmark


@dataclass(frozen=True)
class Face:
    landmarks: np.ndarray


@dataclass(frozen=True)
class Portrait:
    image: np.ndarray
    face: Face
    view: View | None = None
    cutout: Cutout | None = None


def drawn(
    size: int = 256, centre: tuple[float, float] = (0.5, 0.45), face: float = 0.42, thickness: float = 1.0
) -> Portrait:
    """A face with closed lips, white teeth nowhere, on a background of noise; `thickness` of its lips, 1 average."""
    scale = face * size / 3.1
    landmarks = MouthBasis.load().rest * scale + np.float32([centre[0] * size, centre[1] * size, 0])
    landmarks -= np.float32([0, 0.8 * scale, 0])
    for ring, inner in ((UPPER_LIP, UPPER_INNER), (LOWER_LIP, LOWER_INNER)):
        landmarks[ring] = landmarks[inner] + thickness * (landmarks[ring] - landmarks[inner])
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(40, 200, (size, size, 3)).astype(np.uint8), (0, 0), 1)
    middle = landmarks[[10, 152]].mean(0)[:2]
    radii = (int(1.35 * scale), int(1.75 * scale))
    cv2.ellipse(image, tuple(middle.astype(int)), radii, 0, 0, 360, (205, 160, 140), -1)
    for ring in (UPPER_LIP, LOWER_LIP):
        outline = np.concatenate([landmarks[ring[0]], landmarks[ring[3]][::-1]])[:, :2]
        cv2.fillPoly(image, [np.round(outline).astype(np.int32)], (170, 80, 80))
    for eye in ((33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380)):
        cv2.fillPoly(image, [np.round(landmarks[list(eye), :2]).astype(np.int32)], (235, 235, 235))
    for iris in (468, 473):
        cv2.circle(image, tuple(np.round(landmarks[iris, :2]).astype(int)), int(0.12 * scale), (40, 30, 20), -1)
    return Portrait(image, Face(landmarks.astype(np.float32)))


def turned(portrait: Portrait, degrees: float) -> Portrait:
    """The same picture with landmarks turned about the vertical axis."""
    middle = portrait.face.landmarks.mean(0)
    turn = cv2.Rodrigues(np.array([0, np.radians(degrees), 0]))[0].astype(np.float32)
    return Portrait(portrait.image, Face((portrait.face.landmarks - middle) @ turn.T + middle))


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return drawn()


@pytest.fixture(scope="module")
def renderer(portrait: Portrait) -> Renderer:
    return Renderer(portrait)


@pytest.fixture(scope="module")
def smiling(portrait_path: Path) -> Portrait:
    image = np.asarray(Image.open(portrait_path).convert("RGB"))
    return Portrait(image, Face(np.load(FIXTURES / "portrait_landmarks.npy")))


@pytest.fixture(scope="module")
def smiling_renderer(smiling: Portrait) -> Renderer:
    return Renderer(smiling)


def with_(**channels: float) -> np.ndarray:
    """A row of motion at rest but for `m0`.. (mouth) and `yaw`, `pitch`, `lids`, `gaze`."""
    row = REST.copy()
    for name, value in channels.items():
        turns = {"yaw": HEAD_ROTATION.start, "pitch": HEAD_ROTATION.start + 1}
        where = {**turns, "lids": LIDS, "gaze": GAZE.start}.get(name)
        row[where if where is not None else int(name[1:])] = value
    return row


def pixels_changed_at_the_mouth(frame: np.ndarray, closed: np.ndarray, portrait: Portrait) -> int:
    lips = portrait.face.landmarks[np.concatenate([UPPER_LIP.ravel(), LOWER_LIP.ravel()]), :2]
    (x1, y1), (x2, y2) = np.floor(lips.min(0)).astype(int), np.ceil(lips.max(0) + 20).astype(int)
    difference = frame[y1:y2, x1:x2].astype(int) - closed[y1:y2, x1:x2]
    return int((np.abs(difference).max(-1) > 45).sum())


@pytest.mark.parametrize("thickness", [1.0, 1.5])
def test_thick_lips_open_as_wide_as_the_motion_says(thickness):
    renderer = Renderer(drawn(thickness=thickness))
    articulation = Articulation(MouthBasis.load())
    row = with_(m0=0.045 / articulation.gap[0, 4])
    lips = renderer.moved(row).mouth.lips
    gap = (lips.lower_height - lips.upper_height)[len(lips.gap) // 2] / renderer.face_height
    assert articulation.opening(row[None])[0] - 0.004 < gap < 0.06


def test_frames_have_the_size_and_type_of_the_photo(renderer: Renderer, portrait: Portrait):
    frame = renderer.frame(REST)
    assert frame.shape == portrait.image.shape
    assert frame.dtype == np.uint8


def test_chunks_hold_every_frame(renderer: Renderer):
    chunks = list(renderer.chunks(np.stack([with_(m0=i) for i in range(5)]), size=2))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]
    assert all(chunk.dtype == np.uint8 for chunk in chunks)
    assert np.array_equal(chunks[1][0], renderer.frame(with_(m0=2)))


def test_a_closed_mouth_at_rest_is_the_photo(renderer: Renderer, portrait: Portrait):
    difference = np.abs(renderer.frame(REST).astype(int) - portrait.image)
    assert difference.mean() < 0.2
    assert np.percentile(difference, 99.9) < 25


def test_a_frame_does_not_depend_on_the_ones_before(portrait: Portrait, renderer: Renderer):
    renderer.frame(with_(m0=4, yaw=5))
    assert np.array_equal(renderer.frame(with_(m0=1)), Renderer(portrait).frame(with_(m0=1)))


def test_the_background_is_untouched(renderer: Renderer, portrait: Portrait):
    frame = renderer.frame(with_(m0=3, yaw=9, lids=1))
    still = np.ones(frame.shape[:2], bool)
    grid = renderer.grid
    still[grid.y : grid.y + grid.height, grid.x : grid.x + grid.width] = False
    assert still.sum() > 2000
    assert np.array_equal(frame[still], portrait.image[still])
    assert np.array_equal(frame[:, [0, -1]], portrait.image[:, [0, -1]])
    assert not np.array_equal(frame, portrait.image)


def test_edges_that_show_background_stay_even_close_to_a_head():
    portrait = drawn(160, (0.5, 0.5), 0.52)
    renderer = Renderer(portrait)
    assert (renderer.grid.x, renderer.grid.y) == (0, 0)  # the head's movement reaches the border
    moved = np.abs(renderer.frame(with_(m0=3, yaw=9)).astype(int) - portrait.image)
    for edge in (np.s_[0, :40], np.s_[0, -40:], np.s_[:40, 0], np.s_[:40, -1], np.s_[-30:, 0], np.s_[-30:, -1]):
        assert moved[edge].mean() < 1


@pytest.mark.parametrize("degrees", [-45, 30, 60])
def test_a_turned_head_comes_to_rest_within_the_part_that_moves(degrees: float):
    """A movement cut off at the rim of that part would tear the background along a straight line."""
    head = Renderer(turned(drawn(400, (0.5, 0.5), 0.3), degrees)).head
    moved = np.abs(head.displacement(np.float32([9, 4, 3]), np.float32([0.05, 0.05, 0])))
    assert moved.max() > 5
    assert max(rim.max() for rim in (moved[0], moved[-1], moved[:, 0], moved[:, -1])) < 0.5


@st.composite
def portraits(draw: st.DrawFn) -> Portrait:
    """Faces of any size anywhere in the picture, over its edges too."""
    centre = draw(st.floats(-0.05, 1.05)), draw(st.floats(0.0, 1.1))
    return drawn(96, centre, draw(st.floats(0.3, 1.3)))


@st.composite
def motions(draw: st.DrawFn) -> np.ndarray:
    """Rows stronger than speech, the head anywhere within its limits and beyond."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    row = rng.normal(0, 1.2, CHANNELS).astype(np.float32)
    row[0] = abs(row[0]) * 2
    row[HEAD_ROTATION] = rng.uniform(-16, 16, 3)
    row[HEAD_TRANSLATION] = rng.uniform(-0.13, 0.13, 3)
    return row


def area_of_places(renderer: Renderer, row: np.ndarray) -> np.ndarray:
    """(h, w) what a pixel of the frame covers in the photo; 1 on the line between the lips, where the map may tear."""
    moved = renderer.moved(row)
    inner = tuple(slice(0, side) for side in renderer.photo[renderer.view].shape[:2])
    pixels = renderer.grid.pixels()[inner]
    places = pixels + renderer.grid.to_pixels(moved.source)[inner]
    across, down = np.diff(places, axis=1)[:-1], np.diff(places, axis=0)[:, :-1]
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    if moved.mouth is None:  # hidden
        return area
    lips, pixels = moved.mouth.lips, pixels[:-1, :-1]
    along, height, reach = pixels @ lips.across, pixels @ lips.down, 2 * renderer.grid.step
    low, high = (np.interp(along, lips.places, edge) for edge in (lips.upper_height, lips.lower_height))
    between = (along > lips.left) & (along < lips.right) & (height > low - reach) & (height < high + reach)
    return np.where(between, 1, area)


@settings(max_examples=25)
@given(portraits(), motions())
def test_nothing_folds_wherever_the_face_is_and_however_it_moves(portrait: Portrait, row: np.ndarray):
    assert area_of_places(Renderer(portrait), row).min() > 0


def test_a_map_that_folds_is_seen_to_fold(renderer: Renderer, monkeypatch: pytest.MonkeyPatch):
    """The check above can fail: without the limit, a strong enough movement folds."""
    monkeypatch.setattr(type(renderer.grid), "fold_limit", lambda *_: 1.0)
    row = with_(m0=30)
    row[1:12] = 8
    assert area_of_places(renderer, row).min() < 0


def test_what_is_uncovered_at_an_edge_is_no_mirror_image():
    photo = np.zeros((40, 40, 3), np.uint8)
    photo[:, 20:] = 200
    photo[10:14] = 90
    wide = extended(photo, 16)
    assert np.array_equal(wide[16:-16, 16:-16], photo)
    # A mirror image would show the bar again above the picture; edges that go on show what they end with.
    assert wide[:16, 16:30].max() < 30
    assert wide[:16, 50:].min() > 150


def test_the_mouth_opens_further_with_the_first_coefficient(renderer: Renderer, portrait: Portrait):
    gaps = [renderer.moved(with_(m0=amount)).mouth.lips.gap.max() for amount in (0, 1, 2, 3, 4)]
    assert gaps[0] == 0
    assert gaps == sorted(set(gaps))
    closed, wide = (renderer.frame(with_(m0=amount)) for amount in (0, 4))
    assert pixels_changed_at_the_mouth(wide, closed, portrait) > 60


@pytest.mark.parametrize("degrees", [0, 35, 45])
def test_a_mouth_in_profile_opens_as_far(degrees: float, monkeypatch: pytest.MonkeyPatch):
    """Its far half lies close together: that must not hold back the whole mouth."""
    # Landmarks in profile over a drawing from the front look like a covered mouth.
    monkeypatch.setattr("sonic_core.engines.lite.renderer.find_covers", lambda *_: Covers(False, False))
    renderer = Renderer(turned(drawn(400, (0.5, 0.5), 0.5), degrees))
    row = with_(m0=3)
    wanted = (row[MOUTH] @ renderer.mouth.expression.wanted).max()
    assert renderer.moved(row).mouth.lips.gap.max() > 0.75 * wanted
    assert area_of_places(renderer, row).min() > 0


def test_the_chin_follows_the_jaw(renderer: Renderer):
    weights = renderer.mouth.expression.weights(with_(m0=4))
    assert (weights @ renderer.mouth.expression.jaw) @ renderer.fit.down > 0.03 * renderer.face_height


def test_an_opening_is_absolute(smiling_renderer: Renderer, renderer: Renderer):
    """Motion at rest closes a smile, and an open mouth opens as wide whatever the photo's does."""
    gaps = []
    for one in (smiling_renderer, renderer):
        face = one.mouth.expression
        for row in (REST, with_(m0=4)):
            weights = face.weights(row)
            gaps.append((face.source_gap + weights @ face.measured).max() / one.face_height)
    assert gaps[0] == pytest.approx(0, abs=1e-3)
    assert gaps[2] == pytest.approx(0, abs=1e-3)
    assert gaps[1] == pytest.approx(gaps[3], abs=0.02)


def test_closing_a_smile_hides_its_teeth(smiling: Portrait, smiling_renderer: Renderer):
    points = smiling.face.landmarks[:, :2]
    outline = np.concatenate([points[UPPER_INNER], points[LOWER_INNER][::-1]])
    mask = cv2.fillPoly(np.zeros(smiling.image.shape[:2], np.uint8), [np.round(outline).astype(np.int32)], 1) > 0

    def white(frame: np.ndarray) -> int:
        return int((frame[mask].min(-1) > 190).sum())

    assert white(smiling.image) > 200
    assert white(smiling_renderer.frame(REST)) < white(smiling.image) / 10  # what is left is the gloss on a lip


def opened(lips_apart: float, inside: Interior, places: np.ndarray) -> Lips:
    """Straight lips round the middle of the photo's (h, w, 2) places, this many px apart."""
    middle = places.reshape(-1, 2).mean(0)
    across = np.array([inside.down[1], -inside.down[0]], np.float32)
    line = middle + np.linspace(-0.6, 0.6, 41)[:, None] * inside.unit * across
    return Lips(line - lips_apart / 2 * inside.down, line + lips_apart / 2 * inside.down, inside.down, 0)


def inside_places(inside: Interior) -> np.ndarray:
    height, width = inside.upper.shape[0] // 2, inside.upper.shape[1] // 2
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([x + inside.x, y + inside.y], -1)


def test_edges_of_the_lips_that_end_apart_are_brought_together():
    """On the far side of a turned face they do, and an opening would end in a wall."""
    x = np.linspace(0, 100, 41)
    upper = np.stack([x, 50 - 10 * np.sin(np.pi * x / 130)], -1)
    lower = np.stack([x, 50 + 10 * np.sin(np.pi * x / 130)], -1)
    lips = Lips(upper, lower, np.float32([0, 1]), 0)
    assert lips.gap[0] == lips.gap[-1] == 0 and lips.gap.max() > 19
    assert np.abs(np.diff(lips.gap)).max() < 3


def test_upper_teeth_stay_with_the_skull(smiling_renderer: Renderer):
    """Lowering the jaw moves what is below the photo's own upper teeth, and never the teeth."""
    inside = smiling_renderer.mouth.interior
    places = inside_places(inside)
    lips = opened(0.9 * inside.unit, inside, places)
    shut, low = (inside.draw(places, amount * inside.down, lips, lips.distances(places)) for amount in (0, 12))
    assert inside.own is not None
    covered = np.maximum(inside.own[::2, ::2, 3], inside.upper[::2, ::2, 1])
    teeth = covered[: places.shape[0], : places.shape[1]] > 0.999
    teeth = cv2.erode(teeth.astype(np.uint8), np.ones((5, 5))) > 0
    assert teeth.sum() > 100
    assert np.abs(shut - low)[teeth].mean() < 6  # the light of the whole, at most
    assert np.abs(shut - low)[~teeth].max() > 15


def test_a_narrow_opening_is_no_white_bar(renderer: Renderer, smiling_renderer: Renderer):
    """Between lips that hardly part it is darker than the cheeks, teeth or not."""
    for one in (renderer, smiling_renderer):
        inside, places = one.mouth.interior, inside_places(one.mouth.interior)
        lips = opened(0.04 * inside.unit, inside, places)
        drawn = inside.draw(places, 0 * inside.down, lips, lips.distances(places))
        middle = drawn[drawn.shape[0] // 2, drawn.shape[1] // 3 : -drawn.shape[1] // 3]
        assert middle.mean() < 255 * inside.light[4:10].mean()


def test_teeth_keep_their_brightness_from_sound_to_sound(renderer: Renderer):
    """Teeth that get brighter and darker with every opening would flicker."""
    inside, places = renderer.mouth.interior, inside_places(renderer.mouth.interior)
    brightest = []
    for gap in (0.08, 0.14, 0.25, 0.4):
        lips = opened(gap * inside.unit, inside, places)
        brightest.append(np.percentile(inside.draw(places, 0 * inside.down, lips, lips.distances(places)), 99))
    assert max(brightest) < 1.4 * min(brightest)


def test_what_is_drawn_is_as_sharp_as_the_photo():
    """The same face in a photo that is blurred has softer teeth."""
    sharp = drawn()
    blurred = Portrait(cv2.GaussianBlur(sharp.image, (0, 0), 3), sharp.face)
    steepest = [np.abs(np.diff(Renderer(one).mouth.interior.upper[..., 1], axis=0)).max() for one in (sharp, blurred)]
    assert steepest[1] < 0.7 * steepest[0]


def test_the_tongue_rises_for_its_sounds(renderer: Renderer):
    inside, places = renderer.mouth.interior, inside_places(renderer.mouth.interior)
    lips = opened(0.3 * inside.unit, inside, places)
    around = lips.distances(places)
    down, up = (inside.draw(places, 0 * inside.down, lips, around, tongue=tongue) for tongue in (0.0, 1.0))
    redder = (up[..., 0] - up[..., 1]) - (down[..., 0] - down[..., 1])
    assert redder.max() > 10


def test_the_tip_of_the_tongue_lets_the_upper_teeth_be_seen(renderer: Renderer):
    """For th it comes over their edge, not up to the upper lip."""
    inside, places = renderer.mouth.interior, inside_places(renderer.mouth.interior)
    lips = opened(0.5 * inside.unit, inside, places)
    around = lips.distances(places)
    plain, tip = (inside.draw(places, 0 * inside.down, lips, around, tongue=tongue) for tongue in (0.6, 1.0))
    column = places.shape[1] // 2
    change = np.abs(tip - plain)[:, column].max(-1)
    coverage = inside.upper[::DENSITY, DENSITY * column, 1][: len(change)]
    teeth = np.flatnonzero(coverage > 0.99)
    assert change[teeth[0]] < 1
    assert change[teeth[-1] + 1] > 10


def test_a_smile_says_f_with_its_teeth_on_the_lower_lip(smiling_renderer: Renderer, monkeypatch: pytest.MonkeyPatch):
    """Its lips part, though a smile looks more open than it is, and the teeth in the narrow gap are lit."""
    row = with_()
    gaps = []
    for teeth in (0, 1):
        row[TEETH] = teeth
        gaps.append(smiling_renderer.moved(row).mouth.lips.gap.max() / smiling_renderer.face_height)
    assert gaps[0] < 0.003 and gaps[1] > 0.008
    lit = smiling_renderer.frame(row).astype(int)
    monkeypatch.setattr("sonic_core.engines.lite.interior.TEETH_LIT", 0.0)
    assert (lit - smiling_renderer.frame(row)).max() > 8


def test_pressed_lips_are_thinner_and_shut(renderer: Renderer, portrait: Portrait):
    face = renderer.mouth.expression
    row = with_(m0=1.5)
    pressing = row.copy()
    pressing[PRESS] = 1
    loose, pressed = face.weights(row), face.weights(pressing)
    gap = (face.source_gap + pressed @ face.measured).max()
    assert gap < 0.002 * renderer.face_height < (face.source_gap + loose @ face.measured).max()
    lip = portrait.face.landmarks[[14, 17], :2]
    edges = [lip + face.lower.grid.sample(face.fields(one)[1], lip[None])[0] for one in (row, pressing)]
    thickness = [(outer - inner) @ renderer.fit.down for inner, outer in edges]
    assert thickness[1] < 0.9 * thickness[0]


def test_shut_lids_hide_the_eyes(renderer: Renderer, portrait: Portrait):
    iris = np.round(portrait.face.landmarks[468, :2]).astype(int)
    assert portrait.image[iris[1], iris[0]].max() < 60
    assert renderer.frame(with_(lids=1))[iris[1], iris[0]].min() > 60


def test_a_glance_moves_the_iris_only(renderer: Renderer, portrait: Portrait):
    frame, photo = renderer.frame(with_(gaze=1)).astype(int), renderer.frame(REST).astype(int)
    changed = np.argwhere(np.abs(frame - photo).max(-1) > 40)
    eyes = portrait.face.landmarks[[33, 133, 362, 263], :2]
    assert len(changed) > 5
    assert changed[:, 1].min() > eyes[:, 0].min() and changed[:, 1].max() < eyes[:, 0].max()
    irises = portrait.face.landmarks[[468, 473]]
    assert np.abs(changed[:, 0] - irises[:, 1].mean()).max() < 0.1 * renderer.face_height
    darker, brighter = (np.argwhere((frame - photo).mean(-1) * sign > 20)[:, 1].mean() for sign in (-1, 1))
    assert darker > brighter, "to the viewer's right"


def test_the_glint_in_an_eye_stays_with_the_light_when_the_gaze_moves():
    portrait = drawn(512)
    plain = Renderer(portrait)
    iris = np.round(portrait.face.landmarks[468, :2]).astype(int)
    lit = portrait.image.copy()
    cv2.circle(lit, tuple(iris), 2, (255, 255, 255), -1)
    shining = Renderer(Portrait(lit, portrait.face))
    places = []
    for row in (with_(gaze=0.1), with_(gaze=1)):
        glint = shining.frame(row).astype(int).min(-1) - plain.frame(row).min(-1)
        places.append(np.argwhere(glint > 60).mean(0))
    assert places[1] == pytest.approx(places[0], abs=0.7)


@pytest.mark.parametrize(("turn", "axis"), [("yaw", 0), ("pitch", 1)])
def test_the_nose_goes_where_the_head_turns(portrait: Portrait, turn: str, axis: int):
    """Positive yaw takes it to the viewer's right, positive pitch downwards."""
    image = portrait.image.copy()
    tip = portrait.face.landmarks[NOSE_TIP, :2]
    cv2.circle(image, tuple(np.round(tip).astype(int)), 4, (0, 0, 255), -1)
    one = Renderer(Portrait(image, portrait.face))

    def nose(**channels: float) -> np.ndarray:
        """(2,) x and y of the middle of the blue spot on the nose."""
        frame = one.frame(with_(**channels)).astype(int)
        return np.argwhere(frame[..., 2] - frame[..., 0] > 100).mean(0)[::-1]

    assert nose() == pytest.approx(tip, abs=1)
    ahead, back = nose(**{turn: 8}) - tip, nose(**{turn: -8}) - tip
    assert ahead[axis] > 0.015 * one.face_height and back[axis] < -0.015 * one.face_height, (ahead, back)


@pytest.mark.parametrize("centre", [(0.05, 0.4), (0.95, 0.5), (0.5, 0.05), (0.5, 0.98)])
def test_a_face_at_the_edge_of_the_picture(centre: tuple[float, float]):
    portrait = drawn(128, centre)
    frame = Renderer(portrait).frame(with_(m0=4, yaw=-8, lids=0.7, gaze=-1))
    assert frame.shape == portrait.image.shape


def test_a_face_that_fills_the_picture():
    portrait = drawn(160, (0.5, 0.5), 1.1)
    frame = Renderer(portrait).frame(with_(m0=4, yaw=6, lids=1))
    assert frame.shape == portrait.image.shape


def test_extreme_motion_stays_finite(renderer: Renderer):
    for value in (-50.0, 50.0):
        assert renderer.frame(np.full(CHANNELS, value, np.float32)).dtype == np.uint8


def test_glasses_do_not_bend_with_the_face_behind_them(portrait: Portrait, monkeypatch: pytest.MonkeyPatch):
    """Raised brows and a wide mouth move what lies under the brows and on the cheeks, but not behind glasses."""
    row = with_(m0=4)
    row[BROWS.start] = 1
    moved = []
    for glasses in (False, True):
        covers = Covers(False, False, glasses)
        monkeypatch.setattr("sonic_core.engines.lite.renderer.find_covers", lambda *_, covers=covers: covers)
        expression = Renderer(portrait).mouth.expression
        rims = portrait.face.landmarks[[52, 65, 282, 295, 118, 347], :2]  # over and under the eyes
        moved.append(np.abs(expression.upper.grid.sample(expression.fields(row)[0], rims[None])).max())
    assert moved[0] > 0.5
    assert moved[1] < 0.15 * moved[0]


def test_a_small_photo_is_not_said_to_hide_its_mouth(portrait: Portrait):
    """Enlarged from a face of 20 px, any mouth looks covered."""
    small = cv2.resize(cv2.resize(portrait.image, (48, 48), interpolation=cv2.INTER_AREA), portrait.image.shape[1::-1])
    renderer = Renderer(Portrait(small, portrait.face, View((48, 48), (10, 10, 38, 38))))
    assert renderer.mouth is not None
