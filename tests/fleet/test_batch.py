"""Batches: rows, resuming, the report."""

import csv

import pytest
from fleet_stubs import stub_engine

from sonic_core.errors import InputError, NoFaceError, OutputError, SettingsError
from sonic_core.fleet.batch import Batch, read_rows
from sonic_core.fleet.sweeper import sweep
from sonic_core.fleet.worker import Worker


def report(folder):
    with open(folder / "report.csv", newline="") as file:
        return {row["output"]: row for row in csv.DictReader(file)}


@pytest.fixture
def source(tmp_path, portrait, speech):
    path = tmp_path / "course.csv"
    path.write_text(
        "image,audio,output,preset,seed,face_box\n"
        "portrait.png,speech.wav,english.mp4,fast,1,\n"
        "portrait.png,speech.wav,中文.mp4,,2,1 2 30 40\n"
        "portrait.png,missing.wav,lost.mp4,,,\n",
        encoding="utf-8",
    )
    return path


def test_made_here_and_resumed(ledger, stores, source, tmp_path):
    made = []

    def engine(task):
        if len(made) == 1:
            made.append("stumbled")
            raise NoFaceError("no face this time")
        made.append(task.request.as_mapping())
        return stub_engine(task)

    out = tmp_path / "out"
    assert Batch(ledger, stores, source, out, "local", "a course").run_here(engine) == 1
    assert [r["state"] for r in report(out).values()] == ["done", "failed", "failed"]
    assert "no face" in report(out)["中文.mp4"]["error"] and "missing.wav" in report(out)["lost.mp4"]["error"]
    (tmp_path / "missing.wav").write_bytes((tmp_path / "speech.wav").read_bytes())
    (out / "english.mp4").unlink()  # fetched again, not made again
    assert Batch(ledger, stores, source, out, "local", "a course").run_here(engine) == 0
    assert [r["state"] for r in report(out).values()] == ["done"] * 3 and len(made) == 4
    assert made[2] == {"preset": "high_quality", "label": "none", "seed": 2, "face_box": [1.0, 2.0, 30.0, 40.0]}
    assert sorted(p.name for p in out.glob("*.mp4")) == ["english.mp4", "lost.mp4", "中文.mp4"]


def test_through_the_queue(ledger, stores, source, tmp_path, monkeypatch):
    worker = Worker(ledger, stores, stub_engine)
    monkeypatch.setattr("sonic_core.fleet.batch.time.sleep", lambda _: (sweep(ledger, stores), worker.run_one()))
    assert Batch(ledger, stores, source, tmp_path / "out", "local", "a course").run_queued(None) == 1
    assert [r["state"] for r in report(tmp_path / "out").values()] == ["done", "done", "failed"]


def test_a_folder_of_pairs_or_of_one_picture(tmp_path, portrait, speech):
    folder = tmp_path / "f"
    folder.mkdir()
    for name in ("a.png", "b.png", "a.wav", "b.wav", "notes.txt"):
        (folder / name).write_bytes((portrait if name.endswith("png") else speech).read_bytes())
    assert [(r.picture.name, r.sounds[0].name, r.output) for r in read_rows(folder)] == [
        ("a.png", "a.wav", "a.mp4"), ("b.png", "b.wav", "b.mp4")
    ]  # fmt: skip
    (folder / "b.png").unlink()
    assert [r.picture.name for r in read_rows(folder)] == ["a.png", "a.png"]


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("image,sound\na,b\n", InputError, "no column audio"),
        ("image,audio,seed\na,b,x\n", SettingsError, "Line 2.*seed"),
        ("image,audio,sede\na,b,1\n", SettingsError, "sede"),
        ("image,audio\na,b,c\n", InputError, "more fields"),
        ("image,audio,output\na,b,x.mp4\na,c,../x.mp4\n", InputError, "Two rows"),
        ("image,audio\n", InputError, "no videos"),
    ],
)
def test_bad_files(tmp_path, text, error, said):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(error, match=said):
        read_rows(tmp_path / "x.csv")
    with pytest.raises(InputError, match="There is no"):
        read_rows(tmp_path / "none.csv")


def test_backgrounds_of_rows(tmp_path):
    """A colour is a setting, a picture a file of the row's, and a transparent video is named after its kind."""
    table = tmp_path / "rows.csv"
    table.write_text("image,audio,background\np.png,a.wav,green\np.png,a.wav,sea.jpg\np.png,a.wav,transparent\n")
    green, sea, clear = read_rows(table)
    assert green.settings["background"] == "green" and green.background is None
    assert sea.background == tmp_path / "sea.jpg" and "background" not in sea.settings
    assert clear.output == "a-3.webm"
    table.write_text("image,audio,output,background\np.png,a.wav,v.mp4,transparent\n")
    with pytest.raises(InputError, match=r"name it \.webm"):
        read_rows(table)


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfei\x00m\x00a\x00g\x00e\x00",  # UTF-16
        "image,audio,output\nportrait.png,speech.wav,中.mp4\n".encode("gbk"),
        b"image,audio\nportrait.png,speech.wav\x00\xe9\n",
        b"image,audio\nportrait.png," + b"x" * 200_000,
    ],
)
def test_a_file_that_is_not_csv_in_utf8(source, text):
    source.write_bytes(text)
    with pytest.raises(InputError, match="save it as CSV in UTF-8"):
        read_rows(source)


def test_semicolons_of_a_spreadsheet(source):
    source.write_text("image;audio;output;canvas\nportrait.png;speech.wav;a,b.mp4;9:16\n", encoding="utf-8-sig")
    (row,) = read_rows(source)
    assert (row.picture.name, row.output, row.settings["canvas"]) == ("portrait.png", "a-b.mp4", "9:16")


def test_an_output_folder_that_is_a_file(ledger, stores, source, portrait):
    with pytest.raises(OutputError, match="cannot make the folder"):
        Batch(ledger, stores, source, portrait, "u", "course videos").run_here(stub_engine)
