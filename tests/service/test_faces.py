"""The route that says where the faces of a photo are: numbered as the settings number them."""

import io

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def couple(portrait_path):
    """JPEG bytes of a photo of two; the face on the right is the larger one."""
    photo = Image.open(portrait_path).convert("RGB").resize((300, 300))
    both = Image.new("RGB", (600, 300), "white")
    both.paste(photo.resize((200, 200)), (0, 0))
    both.paste(photo, (300, 0))
    file = io.BytesIO()
    both.save(file, "JPEG")
    return file.getvalue()


def test_faces_are_numbered_from_the_largest(client, couple):
    answer = client.post("/faces", files={"image": ("a.jpg", couple)})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["width"], found["height"]) == (600, 300)
    assert [face["number"] for face in found["faces"]] == [0, 1]
    (left, top, right, bottom), (other, *_) = (face["box"] for face in found["faces"])
    assert 0.5 < left < right < 1 and 0 <= top < bottom <= 1 and other < 0.33


def test_who_asks_must_be_known_and_send_a_photo(client, couple, speech):
    unknown = client.post("/faces", files={"image": ("a.jpg", couple)}, headers={"Authorization": ""})
    assert unknown.status_code == 401
    for name, content in (("image", speech.read_bytes()), ("image", b"x"), ("other", couple)):
        answer = client.post("/faces", files={name: ("a.jpg", content)})
        assert 400 <= answer.status_code < 500 and answer.json()["detail"], answer.text
    assert "There is no photo" in client.post("/faces", json={}).json()["detail"]
