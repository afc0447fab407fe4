"""A talk over WebRTC between two aiortc peers: sound in, sound and picture out, the label, how it ends."""

import asyncio

import numpy as np
import pytest

pytest.importorskip("aiortc")

from bar_talk import BigTalk, tone
from browser_peer import BrowserPeer, reachable

from sonic_core.disclosure.label import VisibleLabel
from sonic_core.errors import InputError
from sonic_core.live.pace import LiveFrame
from sonic_core.live.peer import OutgoingTrack, Peer, sound_frames
from sonic_core.live.runner import Runner
from sonic_core.live.session import LiveSession, Moment
from sonic_core.live.sound import FRAME

on_a_network = pytest.mark.skipif(not reachable, reason="no network but loopback")


def nobody(*_):
    return None


def peer_of(on_sound=nobody, on_connected=nobody, on_lost=nobody, label=None) -> Peer:
    return Peer((128, 128), label, on_sound, on_connected, on_lost)


@on_a_network
@pytest.mark.parametrize("codec", ["video/VP8", "video/H264"])
def test_a_voice_goes_in_and_a_talking_picture_comes_out(codec):
    async def talk():
        session, lost = LiveSession(BigTalk(), backlog=0.5), asyncio.Event()
        runner = Runner(session, VisibleLabel("AI"), "job-1", nobody)
        peer = peer_of(session.push, lambda: setattr(runner, "peer", peer), lost.set, VisibleLabel("AI"))
        browser = BrowserPeer(codec)
        await browser.accept(await peer.answer(await browser.offer()))
        runner.start()
        try:
            await browser.hears(lambda: any(picture[:90, :20].mean() > 150 for picture in browser.pictures))
            await browser.hears(lambda: browser.sounds and max(browser.sounds) > 0.3)
            assert max(browser.sounds) < 0.36, "as loud as it was spoken: the mean of half a sine is 0.32"
            await browser.hears(lambda: len(browser.pictures) > 75)
            await browser.connection.close()
            await asyncio.wait_for(lost.wait(), 10)  # the talk must not go on for nobody
        finally:
            runner.stop()
            await asyncio.to_thread(runner.join)
            await peer.close()
        return browser

    browser = asyncio.run(talk())
    bars = [picture[:90, :20].mean() for picture in browser.pictures]
    assert min(bars[:10]) < 50 and browser.sounds[0] < 0.01, "before the voice begins there is silence"
    corners = [np.ptp(picture[100:, 80:].mean(-1)) for picture in browser.pictures]
    assert corners[5] > 60 > corners[-1], "the label stands at the beginning only"


@pytest.mark.parametrize(
    "offer", ["", "v=0\r\n", "not an offer", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "x" * 70_000]
)
def test_an_offer_that_cannot_be_met_is_one_sentence(offer):
    async def answer():
        peer = peer_of()
        try:
            with pytest.raises(InputError, match="offer"):
                await peer.answer(offer)
        finally:
            await peer.close()

    asyncio.run(answer())


def test_pictures_are_vp8_where_both_are_taken():
    async def chosen():
        browser, peer = BrowserPeer("video/H264", "video/VP8"), peer_of()
        answer = await peer.answer(await browser.offer())
        await browser.connection.close()
        await peer.close()
        return answer

    pictures = asyncio.run(chosen()).split("m=video")[1]
    first = pictures.splitlines()[0].split()[2]
    assert f"a=rtpmap:{first} VP8/90000" in pictures


def test_an_offer_of_sound_alone_and_one_of_a_hundred_addresses_are_refused():
    async def answers():
        browser, peer, other = BrowserPeer(), peer_of(), peer_of()
        offer = await browser.offer()
        with pytest.raises(InputError, match="one part for sound"):
            await peer.answer(offer[: offer.index("m=video")])
        with pytest.raises(InputError, match="candidates"):
            await other.answer(offer + "a=candidate:1 1 udp 1 203.0.113.9 9 typ host\r\n" * 100)
        for connection in (browser.connection, peer, other):
            await connection.close()

    asyncio.run(answers())


def test_a_peer_that_is_too_slow_loses_the_oldest_frames():
    async def fill():
        peer = peer_of()
        for index in range(200):
            moment = Moment(index, np.zeros(1), np.zeros(FRAME, np.float32), False)
            peer.write(LiveFrame(moment, np.zeros((128, 128, 3), np.uint8)))
        await asyncio.sleep(0)
        assert peer.video.frames.qsize() == 25 and peer.audio.frames.qsize() == 50
        assert (await peer.video.recv()).pts == 175
        await peer.close()

    asyncio.run(fill())


def test_a_frame_of_sound_is_two_packets_without_a_gap():
    first, second = sound_frames(tone(0.04), 3)
    assert (first.pts, second.pts) == (3 * FRAME, 3 * FRAME + 960)
    joined = np.concatenate([first.to_ndarray()[0, ::2], second.to_ndarray()[0, 1::2]])
    assert np.abs(joined / 32767 - tone(0.04)).max() < 1e-4


def test_a_track_that_has_ended_gives_nothing():
    from aiortc.mediastreams import MediaStreamError

    async def ask():
        track = OutgoingTrack("video")
        track.stop()
        with pytest.raises(MediaStreamError):
            await track.recv()

    asyncio.run(ask())
