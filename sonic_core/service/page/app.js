// The page: its language, the form, and what happens when it is sent.
import { call, find, send } from "./api.js";
import { chosenFaces, showFaces } from "./faces.js";
import { listJobs } from "./history.js";
import { offerTalks } from "./live.js";
import { isDub, material, onMaterial } from "./material.js";
import { language, setLanguage, text } from "./texts.js";
import { together } from "./voices.js";
import { onJobs, open, refresh } from "./work.js";

const form = find("form");
const NUMBERS = ["min_resolution", "dynamic_scale", "motion_scale", "seed"];
let labelChosen = false; // by hand; until then the label speaks the page's language

function translate() {
  document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const button of document.querySelectorAll("[data-language]"))
    button.setAttribute("aria-pressed", String(button.dataset.language === language()));
  if (!labelChosen) form.label.value = language();
  refresh();
  estimate();
}

for (const button of document.querySelectorAll("[data-language]"))
  button.addEventListener("click", () => {
    setLanguage(button.dataset.language);
    translate();
    listJobs();
  });
form.background.addEventListener("change", () => {
  find("behind").hidden = form.background.value !== "picture";
});
form.label.addEventListener("change", () => (labelChosen = true));

function dubSettings() {
  const chosen = { longer: form.longer.value, shorter: form.shorter.value };
  for (const name of ["dynamic_scale", "seed", "own_sound"]) chosen[name] = Number(form[name].value);
  if (!form.second.files.length) chosen.who = form.who.value;
  return chosen;
}

function photoSettings() {
  const chosen = { framing: form.framing.value };
  for (const name of NUMBERS) chosen[name] = Number(form[name].value);
  if (form.mood.value !== "neutral") chosen.mood = form.mood.value;
  if (form.second.files.length) Object.assign(chosen, { framing: "whole", faces: chosenFaces() });
  return chosen;
}

function settings() {
  const chosen = isDub() ? dubSettings() : photoSettings();
  for (const name of ["preset", "label", "channel"]) chosen[name] = form[name].value;
  if (form.second.files.length) Object.assign(chosen, { voices: "channels", channel: "as it is" });
  const behind = form.background.value;
  if (behind && behind !== "picture") chosen.background = behind;
  return chosen;
}

// What it will cost, as soon as both files are there.
async function estimate() {
  find("estimate").textContent = "";
  if (!(material.width && material.seconds)) return;
  const ask = { width: material.width, height: material.height, seconds: material.seconds, settings: settings() };
  if (material.videoSeconds) ask.video_seconds = material.videoSeconds;
  try {
    const options = { method: "POST", body: JSON.stringify(ask), headers: { "Content-Type": "application/json" } };
    const cost = await (await call("/estimate", options)).json();
    const size = `${cost.width} × ${cost.height}, ${cost.frames} ${text("frames")}`;
    find("estimate").textContent = cost.accepted ? size : `${size}: ${text("tooMuch")}`;
  } catch {
    return; // it is said when the form is sent
  }
}
onMaterial(estimate);
onMaterial(() => {
  for (const label of form.querySelectorAll("[data-of]")) label.hidden = isDub() !== (label.dataset.of === "video");
});
onMaterial(showFaces);
form.second.addEventListener("change", showFaces);
for (const name of ["preset", "framing", "shorter", ...NUMBERS]) form[name].addEventListener("change", estimate);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  find("problem").textContent = "";
  const button = form.querySelector("[type=submit]");
  const sending = new AbortController();
  const body = new FormData();
  body.set(isDub() ? "video" : "image", form.image.files[0]);
  body.set("settings", JSON.stringify(settings()));
  if (form.background.value === "picture") {
    if (!form.behind.files.length) {
      find("problem").textContent = text("behindMissing");
      return;
    }
    body.set("background", form.behind.files[0]);
  }
  if (form.title.value.trim()) body.set("name", form.title.value.trim());
  const consent = { agreed: form.consent.checked, subject: form.subject.value, purpose: form.purpose.value };
  body.set("consent", JSON.stringify({ ...consent, subject_is_user: form.myself.checked }));
  find("stop").onclick = () => sending.abort();
  button.disabled = true;
  find("sending").hidden = false;
  try {
    const [first, second] = [form.audio.files[0], form.second.files[0]];
    body.set("audio", second ? await together(first, second) : first);
    open(await send("/jobs", body, showSent, sending.signal));
    form.consent.checked = false; // each video is agreed to by itself
  } catch (error) {
    if (error.name !== "AbortError") find("problem").textContent = error.message;
  }
  button.disabled = false;
  find("sending").hidden = true;
  listJobs();
});

function showSent(share) {
  find("sent").value = share;
  find("sending-text").textContent = share < 1 ? `${text("sending")} ${Math.round(share * 100)} %` : text("checking");
}

onJobs(() => listJobs());
find("key").addEventListener("change", () => {
  sessionStorage.setItem("key", find("key").value);
  listJobs();
});
find("key").value ||= sessionStorage.getItem("key") || ""; // what is typed while the page still loads stays

const { key_needed: keyNeeded, local, live } = await (await fetch("/session")).json();
if (live) offerTalks(settings);
find("key-field").hidden = !keyNeeded;
find("door").hidden = !(keyNeeded && local);
find("key").required = keyNeeded;
translate();
listJobs();
