// The button "speak live": the photo of the form speaks with the microphone.
import { call, find } from "./api.js";
import { LiveTalk } from "./live-client.js";
import { text } from "./texts.js";

const form = find("form");
let settingsOf = () => ({}); // what the form says
let talk = null; // { client, context, stream } of the talk under way

const NAMES = { ready: "liveReady", speaking: "liveSpeaking", idle: "liveIdle", interrupted: "liveInterrupted" };

export function offerTalks(settings) {
  settingsOf = settings;
  find("talk").hidden = false;
}

find("talk").addEventListener("click", async () => {
  find("problem").textContent = "";
  if (!form.image.files[0] || !form.purpose.value.trim() || !form.consent.checked) {
    find("problem").textContent = text("livePhoto");
    return;
  }
  find("talk").disabled = true;
  try {
    await beginTalk();
  } catch (error) {
    endTalk();
    find("problem").textContent = error.name === "NotAllowedError" || error.name === "NotFoundError" ? text("liveMicrophone") : error.message;
  }
});

async function beginTalk() {
  // Echo of the photo's own voice must not make it speak again.
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, channelCount: 1 } });
  talk = { stream };
  find("live").hidden = false;
  find("live-state").textContent = text("liveBegins");
  const body = new FormData();
  body.set("image", form.image.files[0]);
  body.set("settings", JSON.stringify({ ...settingsOf(), preset: "fast" }));
  body.set("consent", JSON.stringify({ agreed: form.consent.checked, subject: form.subject.value, purpose: form.purpose.value }));
  const { socket } = await (await call("/live", { method: "POST", body })).json();
  talk.client = new LiveTalk(socket, find("live-video"), hearTalk);
  if (!(await talk.client.connect(stream))) await sendSamples(stream);
}

// Where WebRTC is missing or blocked the sound goes over the socket.
async function sendSamples(stream) {
  if (!talk) return; // it has ended meanwhile
  talk.context = new AudioContext();
  await talk.context.audioWorklet.addModule("/static/microphone.js");
  const microphone = new AudioWorkletNode(talk.context, "microphone");
  await talk.client.start(talk.context.sampleRate, true);
  microphone.port.onmessage = ({ data }) => talk?.client.send(data);
  talk.context.createMediaStreamSource(stream).connect(microphone);
}

function hearTalk(message) {
  if (message.type === "error") find("problem").textContent = message.detail;
  if (NAMES[message.type]) find("live-state").textContent = text(NAMES[message.type]);
  if (message.type === "closed") endTalk();
}

function endTalk() {
  if (talk) {
    for (const track of talk.stream.getTracks()) track.stop();
    talk.context?.close();
    talk.client?.close();
    find("live-state").textContent = text("liveEnded");
  }
  talk = null;
  find("talk").disabled = false;
}

find("live-end").addEventListener("click", endTalk);
find("live-interrupt").addEventListener("click", () => talk?.client?.interrupt());
find("live-sound").addEventListener("click", () => (find("live-video").muted = !find("live-video").muted));
