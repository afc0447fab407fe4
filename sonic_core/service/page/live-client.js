// A live talk with the service, in any page: sound in, video out. Knows nothing of the page around it.
//
//   import { LiveTalk } from "/static/live-client.js";
//   const talk = new LiveTalk("/live/<ticket>", videoElement, (message) => console.log(message.type));
//   talk.start(48000);            // then, as often as there is sound:
//   talk.send(float32Samples);
//   talk.interrupt(); talk.close();
export class LiveTalk {
  constructor(path, video, onMessage) {
    this.video = video;
    this.onMessage = onMessage;
    this.waiting = []; // pieces that the buffer has not taken yet
    this.socket = new WebSocket(new URL(path, location.href.replace(/^http/, "ws")));
    this.socket.binaryType = "arraybuffer";
    this.opened = new Promise((resolve) => this.socket.addEventListener("open", resolve));
    this.socket.addEventListener("message", ({ data }) => {
      if (typeof data !== "string") return this.play(data);
      const message = JSON.parse(data);
      if (message.type === "ready") this.open(message.mime);
      this.onMessage(message);
    });
    this.socket.addEventListener("close", ({ reason }) => this.onMessage({ type: "closed", detail: reason }));
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
    this.source = new Source();
    this.video.disableRemotePlayback = true;
    this.video.src = URL.createObjectURL(this.source);
    this.source.addEventListener("sourceopen", () => {
      this.buffer = this.source.addSourceBuffer(mime);
      this.buffer.addEventListener("updateend", () => this.feed());
      this.feed();
    });
  }

  play(data) {
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
    this.video.playbackRate = late > 0.5 ? 1.08 : 1;
    if (this.video.paused && end > 0) this.video.play().catch(() => {});
    if (this.video.currentTime > 30 && buffered.start(0) < this.video.currentTime - 20) {
      this.buffer.remove(0, this.video.currentTime - 10); // memory stays constant
    } else if (this.waiting.length) {
      this.buffer.appendBuffer(this.waiting.shift());
    }
  }
}
