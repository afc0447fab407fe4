// The photo (or the video to dub) and the voice: chosen, dropped anywhere on the page, or recorded here.
import { find } from "./api.js";
import { text } from "./texts.js";

const form = find("form");
const KINDS = { image: ["image/", "video/"], audio: ["audio/", "video/"] };
const MAX_SECONDS = 7200;
const listeners = [];
const changed = () => listeners.forEach((listener) => listener());

// Of what is chosen now; 0: not known. videoSeconds: the length of a video to dub, 0 for a photo.
export const material = { width: 0, height: 0, videoSeconds: 0, seconds: 0 };

// Whether a video gets another voice, rather than a photo one.
export const isDub = () => Boolean(form.image.files[0]?.type.startsWith("video/"));

export function onMaterial(listener) {
  listeners.push(listener);
}

function fits(file, kind) {
  return !file.type || KINDS[kind].some((start) => file.type.startsWith(start));
}

function show(kind) {
  const input = form[kind];
  const file = input.files[0];
  find("problem").textContent = "";
  if (file && !fits(file, kind)) {
    input.value = "";
    find("problem").textContent = text("wrongType");
    return;
  }
  for (const name of kind === "image" ? ["image", "video"] : [kind]) {
    const preview = find(`${name}-preview`);
    if (preview.src) URL.revokeObjectURL(preview.src);
    preview.hidden = !file || (kind === "image" && isDub() !== (name === "video"));
    if (preview.hidden) preview.removeAttribute("src");
    else preview.src = URL.createObjectURL(file);
  }
  find(`${kind}-drop`).classList.toggle("filled", Boolean(file));
  if (kind === "audio") find("audio-name").textContent = file ? file.name : "";
  if (kind === "image") Object.assign(material, { width: 0, height: 0, videoSeconds: 0 });
  else material.seconds = 0;
  changed();
}

find("image-preview").addEventListener("load", ({ target }) => {
  Object.assign(material, { width: target.naturalWidth, height: target.naturalHeight });
  changed();
});
find("video-preview").addEventListener("loadedmetadata", ({ target }) => {
  if (!Number.isFinite(target.duration)) return;
  Object.assign(material, { width: target.videoWidth, height: target.videoHeight, videoSeconds: target.duration });
  changed();
});
find("audio-preview").addEventListener("loadedmetadata", ({ target }) => {
  if (Number.isFinite(target.duration)) material.seconds = target.duration;
  changed();
});
for (const kind of Object.keys(KINDS)) form[kind].addEventListener("change", () => show(kind));

// Put a file into a field, as if it had been chosen there.
function give(field, file) {
  const files = new DataTransfer();
  files.items.add(file);
  form[field].files = files.files;
  const folded = form[field].closest("details");
  if (folded) folded.open = true;
  form[field].dispatchEvent(new Event("change"));
}

// A file dropped anywhere is taken: in a zone for that zone, elsewhere by what it is. The browser never leaves the page.
for (const kind of ["dragover", "dragenter"])
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    mark(event.target.closest?.(".drop"));
  });
document.addEventListener("dragleave", (event) => event.relatedTarget || mark(null));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  mark(null);
  const zone = event.target.closest?.(".drop")?.id.replace("-drop", "");
  let sounds = 0; // a second sound that is dropped with the first is the second voice
  for (const file of event.dataTransfer.files) {
    // Outside the zones a video is taken for the sound in it.
    const kind = zone || (file.type.startsWith("image/") ? "image" : file.type && fits(file, "audio") && "audio");
    if (kind === "audio" && sounds++) give("second", file);
    else if (kind) give(kind, file);
    else find("problem").textContent = text("wrongType");
  }
});

function mark(zone) {
  for (const drop of document.querySelectorAll(".drop")) drop.classList.toggle("over", drop === zone);
}

// Recording, with a level to see that the microphone hears something.
let recorder = null;

find("record").addEventListener("click", () => (recorder ? recorder.stop() : record()));

async function record() {
  find("problem").textContent = "";
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    find("problem").textContent = text("noMicrophone");
    return;
  }
  const parts = [];
  const begun = Date.now();
  recorder = new MediaRecorder(stream);
  const context = new AudioContext();
  const ear = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(ear);
  const samples = new Float32Array(ear.fftSize);
  const watch = setInterval(() => {
    ear.getFloatTimeDomainData(samples);
    const seconds = (Date.now() - begun) / 1000;
    find("level").value = Math.min(1, 4 * Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length));
    find("record-time").textContent = `${seconds.toFixed(1)} s`;
    if (seconds > MAX_SECONDS && recorder) recorder.stop();
  }, 50);
  find("level").hidden = false;
  find("record").dataset.text = "stopRecording";
  find("record").textContent = text("stopRecording");
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  recorder.addEventListener("stop", () => {
    clearInterval(watch);
    context.close();
    for (const track of stream.getTracks()) track.stop();
    const type = recorder.mimeType || "audio/webm";
    recorder = null;
    find("level").hidden = true;
    find("record").dataset.text = "record";
    find("record").textContent = text("record");
    give("audio", new File(parts, `recording.${type.includes("mp4") ? "m4a" : "webm"}`, { type }));
    material.seconds = (Date.now() - begun) / 1000; // the file itself does not say
    changed();
  });
  recorder.start(1000);
}
