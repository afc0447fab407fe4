// A live talk with the service, in any page: sound in, video out. Knows nothing of the page around it.
//
//   import { LiveTalk } from "/static/live-client.js";
//   const talk = new LiveTalk("/live/<ticket>", videoElement, (message) => console.log(message.type));
//   talk.start(48000);            // then, as often as there is sound:
//   talk.send(float32Samples);
//   talk.interrupt(); talk.close();
//
// For a microphone, `await talk.connect(mediaStream)` in place of start and send: over WebRTC, a little sooner. It is
// false where WebRTC is missing or blocked; then the talk goes on over the socket.
const CONNECT_SECONDS = 4;

export class LiveTalk {
  constructor(path, video, onMessage) {
    this.video = video;
    this.onMessage = onMessage;
    this.waiting = []; // pieces that the buffer has not taken yet
    this.peer = null; // once the talk goes over WebRTC
    this.expected = {}; // what to call with the next message of a type
    this.ready = this.next("ready");
    this.socket = new WebSocket(new URL(path, location.href.replace(/^http/, "ws")));
    this.socket.binaryType = "arraybuffer";
    this.opened = new Promise((resolve) => this.socket.addEventListener("open", resolve));
    this.socket.addEventListener("message", ({ data }) => {
      if (typeof data !== "string") return this.play(data);
      const message = JSON.parse(data);
      if (message.type === "ready") this.open(message.mime);
      const expected = this.expected[message.type];
      if (expected) expected(message);
      if (message.type !== "error" || !expected) this.onMessage(message); // a refused offer is nobody's trouble
    });
    this.socket.addEventListener("close", ({ reason }) => {
      this.peer?.close();
      this.onMessage({ type: "closed", detail: reason });
    });
  }

  // Moves sound and picture to WebRTC. `sound` is the microphone's MediaStream.
  async connect(sound) {
    const { webrtc, ice } = await this.ready;
    if (!webrtc || !window.RTCPeerConnection) return false;
    const peer = new RTCPeerConnection({ iceServers: ice });
    try {
      const incoming = new MediaStream();
      for (const track of sound.getAudioTracks()) peer.addTrack(track, sound);
      peer.addTransceiver("video", { direction: "recvonly" });
      peer.addEventListener("track", ({ track }) => incoming.addTrack(track));
      await peer.setLocalDescription();
      await state(peer, "iceGatheringState", ["complete"], 1);
      this.socket.send(JSON.stringify({ type: "offer", sdp: peer.localDescription.sdp }));
      const { sdp } = await Promise.race([this.next("answer"), this.next("error")]);
      this.expected = {};
      await peer.setRemoteDescription({ type: "answer", sdp });
      await state(peer, "connectionState", ["connected", "failed"], CONNECT_SECONDS);
      if (peer.connectionState !== "connected") throw new Error("no way through");
      this.peer = peer;
      this.show(incoming);
      peer.addEventListener("connectionstatechange", () => peer.connectionState === "failed" && this.close());
      return true;
    } catch {
      peer.close();
      return false;
    }
  }

  next(type) {
    return new Promise((resolve) => (this.expected[type] = resolve));
  }

  show(stream) {
    this.buffer = null;
    this.source = null;
    this.video.removeAttribute("src");
    this.video.srcObject = stream;
    this.video.playbackRate = 1;
    this.video.play().catch(() => {});
  }

  // `live`: the sound comes from a microphone; what is late is dropped instead of queued.
  async start(rate, live = false) {
    await this.opened;
    this.socket.send(JSON.stringify({ type: "start", rate, format: "f32", live }));
  }

  send(samples) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(samples);
  }

  interrupt() {
    this.socket.send(JSON.stringify({ type: "interrupt" }));
  }

  close() {
    this.socket.close();
  }

  open(mime) {
    const Source = window.ManagedMediaSource || window.MediaSource;
    const source = (this.source = new Source());
    this.video.disableRemotePlayback = true;
    this.video.src = URL.createObjectURL(source);
    source.addEventListener("sourceopen", () => {
      if (this.peer) return;
      this.buffer = source.addSourceBuffer(mime);
      this.buffer.addEventListener("updateend", () => this.feed());
      this.feed();
    });
  }

  play(data) {
    if (this.peer) return;
    this.waiting.push(data);
    this.feed();
  }

  feed() {
    if (!this.buffer || this.buffer.updating || this.source.readyState !== "open") return;
    const { buffered } = this.buffer;
    const end = buffered.length ? buffered.end(buffered.length - 1) : 0;
    const late = end - this.video.currentTime;
    // Stay near the newest picture: catch up by playing a little faster, after a long pause by a jump.
    if (late > 1.5) this.video.currentTime = end - 0.2;
    this.video.playbackRate = late > 0.3 ? 1.08 : 1;
    if (this.video.paused && end > 0) this.video.play().catch(() => {});
    if (this.video.currentTime > 30 && buffered.start(0) < this.video.currentTime - 20) {
      this.buffer.remove(0, this.video.currentTime - 10); // memory stays constant
    } else if (this.waiting.length) {
      this.buffer.appendBuffer(this.waiting.shift());
    }
  }
}

// When the connection's `name` is one of `wanted`, or after so many seconds.
function state(peer, name, wanted, seconds) {
  return new Promise((resolve) => {
    const look = () => wanted.includes(peer[name]) && resolve();
    peer.addEventListener(`${name.toLowerCase()}change`, look);
    setTimeout(resolve, 1000 * seconds);
    look();
  });
}
