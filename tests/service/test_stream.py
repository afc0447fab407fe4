"""Watching a video that is being made: what the playlist holds at every moment, who may see it, when it is gone."""

import threading
from dataclasses import replace
from fractions import Fraction

import av
import httpx
import numpy as np
import pytest

from sonic_core.clip import Audio, Clip
from sonic_core.fleet.segments import SegmentUpload
from sonic_core.fleet.sweeper import sweep
from sonic_core.fleet.worker import Worker
from sonic_core.media.hls import PLAYLIST, save_plain, save_stream, segments
from sonic_core.service import stream
from sonic_core.service.api_keys import create_key
from sonic_core.storage.store import StorageError


def clip(frames: int = 80) -> Clip:
    sound = np.random.default_rng(0).standard_normal((1, frames * 640)).astype(np.float32) * 0.1

    def make():
        for index in range(frames):
            yield np.full((1, 64, 64, 3), index / frames, np.float32)

    return Clip(64, 64, frames, Fraction(25), make, Audio(sound, 16000))


class StreamingEngine:
    """Streams a small clip; waits after `stop_at` frames until it may go on."""

    def __init__(self, stop_at: int = 10**9):
        self.stop_at, self.waiting, self.go_on = stop_at, threading.Event(), threading.Event()

    def __call__(self, task):
        folder = task.output.with_suffix("")

        def on_frame(done, total):
            task.report("rendering", done / total)
            task.stream.update(folder)
            if done == self.stop_at:
                self.waiting.set()
                assert self.go_on.wait(20)

        save_stream(clip(), folder, on_frame=on_frame)
        task.stream.finish(folder)
        save_plain(folder, task.output)
        return {}


def links(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("http")]


def joined(client, text: str) -> bytes:
    init = text.split('URI="')[1].split('"')[0]
    return b"".join(get(client, link) for link in (init, *links(text)))


def pictures(data: bytes, tmp_path) -> int:
    (tmp_path / "joined.mp4").write_bytes(data)
    with av.open(str(tmp_path / "joined.mp4")) as container:
        return sum(1 for _ in container.decode(video=0))


def get(client, link: str) -> bytes:
    answer = client.get(link.removeprefix("http://testserver"))
    return answer.content if answer.status_code == 200 else b""


@pytest.fixture
def run(ledger, stores):
    """Starts a worker on a thread; ends it with the test."""
    threads = []

    def start(engine):
        thread = threading.Thread(target=Worker(ledger, stores, engine).run_one)
        thread.start()
        threads.append((thread, engine))
        return thread

    yield start
    for thread, engine in threads:
        engine.go_on.set()
        thread.join(20)


def test_it_plays_while_it_is_made_and_after(client, post, run, ledger, stores, tmp_path):
    job = post().json()
    address = f"/jobs/{job['id']}/stream.m3u8"
    assert client.get(address).status_code == 404
    engine = StreamingEngine(stop_at=70)
    thread = run(engine)
    assert engine.waiting.wait(20)
    while not (answer := client.get(address)).is_success:
        assert thread.is_alive()
    growing = answer.text
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert "no-cache" in answer.headers["cache-control"]
    assert links(growing) and "#EXT-X-ENDLIST" not in growing
    assert 25 <= pictures(joined(client, growing), tmp_path) <= 70
    engine.go_on.set()
    thread.join(20)
    assert client.get(f"/jobs/{job['id']}").json()["state"] == "done"
    whole = client.get(address).text
    assert whole.rstrip().endswith("#EXT-X-ENDLIST") and pictures(joined(client, whole), tmp_path) == 80
    names = [link.split("?")[0] for link in links(whole)]
    assert [link.split("?")[0] for link in links(growing)] == names[: len(links(growing))]
    ledger.clock.now += 3600
    sweep(ledger, stores)
    assert pictures(joined(client, client.get(address).text), tmp_path) == 80, "the sweeper keeps what won"


def test_only_its_owner_sees_it(client, post, run, service, url):
    job = post().json()
    run(engine := StreamingEngine(stop_at=10**9)).join(20)
    assert not engine.waiting.is_set()
    with httpx.Client(base_url=url, headers={"X-Api-Key": create_key(service.ledger, "other")}) as other:
        assert other.get(f"/jobs/{job['id']}/stream.m3u8").status_code == 404
    with httpx.Client(base_url=url) as nobody:
        assert nobody.get(f"/jobs/{job['id']}/stream.m3u8").status_code == 401


def test_withdrawing_ends_it_and_its_links(client, post, run, ledger, stores):
    job = post().json()
    engine = StreamingEngine(stop_at=70)
    thread = run(engine)
    assert engine.waiting.wait(20)
    while not (answer := client.get(f"/jobs/{job['id']}/stream.m3u8")).is_success:
        assert thread.is_alive()
    first = links(answer.text)[0]
    assert get(client, first)
    client.delete(f"/consents/{job['consent_id']}")
    assert not get(client, first)
    assert client.get(f"/jobs/{job['id']}/stream.m3u8").status_code == 410
    engine.go_on.set()
    thread.join(20)
    sweep(ledger, stores)
    assert list(stores.outputs.list("outputs/")) == []


def test_an_attempt_that_fails_leaves_no_segment(client, post, ledger, stores):
    class Failing(StreamingEngine):
        def __call__(self, task):
            super().__call__(task)
            raise RuntimeError("at the end")

    job = post().json()
    Worker(ledger, stores, Failing()).run_one()
    assert list(stores.outputs.list("outputs/")) == []
    ledger.clock.now += 60
    assert client.get(f"/jobs/{job['id']}/stream.m3u8").status_code == 404


def test_a_store_that_is_away_ends_the_stream_and_not_the_job(tmp_path, caplog):
    class Away:
        calls = 0

        def put(self, *_, **__):
            self.calls += 1
            raise StorageError("The store does not answer.")

    store = Away()
    with SegmentUpload(store, lambda name: f"outputs/{name}") as upload:
        save_stream(clip(), tmp_path / "s", on_frame=lambda done, total: upload.update(tmp_path / "s"))
        upload.finish(tmp_path / "s")
    assert upload.broken and store.calls == 1 and "the video is still being made" in caplog.text


def test_segments_go_up_once_and_before_the_playlist_that_names_them(tmp_path):
    class Watched:
        def __init__(self):
            self.names = []

        def put(self, key, source, cache, **_):
            self.names.append(key)
            assert cache == ("max-age=1" if key == PLAYLIST else "max-age=600, immutable")
            if key == PLAYLIST:
                assert set(segments(source.decode())) <= set(self.names)

    store = Watched()
    with SegmentUpload(store, lambda name: name) as upload:
        save_stream(clip(), tmp_path / "s", on_frame=lambda done, total: upload.update(tmp_path / "s"))
        upload.finish(tmp_path / "s")
    once = [name for name in store.names if name != PLAYLIST]
    assert len(once) == len(set(once)) == 5 and store.names.count(PLAYLIST) >= 2


def test_a_link_stays_the_same_for_minutes_and_never_outlives_its_time(monkeypatch, ledger, post):
    job = ledger.get(post().json()["id"])
    job = replace(job, attempt=1)

    class Signer:
        outputs = property(lambda self: self)

        def sign(self, key, seconds):
            return f"{key}?until={now + seconds}"

    found = []
    for now in (6000, 6001, 6299, 6300, 6599):
        monkeypatch.setattr(stream.time, "time", lambda now=now: now)
        found.append(stream.signed('#EXT-X-MAP:URI="init.mp4"\nsegment-00000.m4s\n', Signer(), job, 3600))
        until = int(found[-1].split("?until=")[-1])
        assert now + 3600 - stream.STEADY < until <= now + 3600
    assert found[0] == found[1] == found[2] != found[3] == found[4]
