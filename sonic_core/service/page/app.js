"use strict";
const find = (id) => document.getElementById(id);
const form = find("form");
let language = localStorage.getItem("language") || (navigator.language.startsWith("zh") ? "zh" : "en");
let current = null; // the job on the screen
let watching = null; // AbortController of its events

const text = (name) => TEXTS[language][name] || name;

function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const button of document.querySelectorAll("[data-language]"))
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  if (current) show(current);
}

for (const button of document.querySelectorAll("[data-language]"))
  button.addEventListener("click", () => {
    language = button.dataset.language;
    localStorage.setItem("language", language);
    translate();
    listJobs();
  });

async function call(path, options = {}) {
  const headers = { ...options.headers };
  if (find("key").value) headers.Authorization = `Bearer ${find("key").value}`;
  const answer = await fetch(path, { ...options, headers });
  if (!answer.ok) {
    const body = await answer.json().catch(() => ({}));
    throw new Error(typeof body.detail === "string" ? body.detail : `${answer.status} ${answer.statusText}`);
  }
  return answer;
}

// Files: chosen or dropped, shown at once.
function chosen(input, kind, preview) {
  const file = input.files[0];
  find("problem").textContent = "";
  if (!file) return;
  if (file.type && !kind.some((start) => file.type.startsWith(start))) {
    input.value = "";
    find("problem").textContent = text("wrongType");
    return;
  }
  preview.src = URL.createObjectURL(file);
  preview.hidden = false;
  input.closest(".drop").classList.add("filled");
}
form.image.addEventListener("change", () => chosen(form.image, ["image/"], find("image-preview")));
form.audio.addEventListener("change", () => {
  chosen(form.audio, ["audio/", "video/"], find("audio-preview"));
  find("audio-name").textContent = form.audio.files[0] ? form.audio.files[0].name : "";
});
for (const drop of document.querySelectorAll(".drop")) {
  for (const kind of ["dragover", "dragenter"])
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    const input = drop.querySelector("input");
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change"));
  });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  find("problem").textContent = "";
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  const settings = { preset: form.preset.value, framing: form.framing.value, label: form.label.value };
  for (const name of ["min_resolution", "dynamic_scale", "motion_scale", "seed"]) settings[name] = Number(form[name].value);
  const body = new FormData();
  body.set("image", form.image.files[0]);
  body.set("audio", form.audio.files[0]);
  body.set("settings", JSON.stringify(settings));
  body.set("consent", JSON.stringify({ agreed: form.consent.checked, subject: "shown-person", purpose: form.purpose.value }));
  try {
    const job = await (await call("/jobs", { method: "POST", body })).json();
    open(job);
  } catch (error) {
    find("problem").textContent = error.message;
  }
  button.disabled = false;
});

function open(job) {
  if (watching) watching.abort();
  stopStream();
  find("video").hidden = true;
  find("video").removeAttribute("src");
  show(job);
  watch(job.id);
  find("work").scrollIntoView({ behavior: "smooth", block: "nearest" });
}

function show(job) {
  current = job;
  const ended = ["done", "failed", "cancelled"].includes(job.state);
  find("work").hidden = false;
  find("stage").textContent = job.state === "running" ? text(job.stage) : text(job.state);
  if (job.state === "failed" && job.error) find("stage").textContent += `: ${job.error}`;
  find("percent").textContent = ended ? "" : `${Math.round(job.progress * 100)} %`;
  find("progress").value = job.progress;
  find("progress").hidden = ended;
  find("cancel").hidden = ended;
  find("actions").hidden = job.state !== "done";
  playStream(job);
}

// Server-sent events, read with fetch so that the API key can be sent along.
async function watch(id) {
  watching = new AbortController();
  const { signal } = watching;
  while (!signal.aborted) {
    try {
      const answer = await call(`/jobs/${id}/events`, { signal });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let waiting = ""; ; ) {
        const { value, done } = await reader.read();
        if (done) break;
        waiting += value;
        const parts = waiting.split("\n\n");
        waiting = parts.pop();
        for (const part of parts) {
          const line = part.split("\n").find((l) => l.startsWith("data: "));
          if (line) show(JSON.parse(line.slice(6)));
        }
      }
      if (current.state === "done") await play();
      if (["done", "failed", "cancelled"].includes(current.state)) return listJobs();
    } catch (error) {
      if (signal.aborted) return;
      find("stage").textContent = text("lost");
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

async function play() {
  const links = await (await call(`/jobs/${current.id}/link`)).json();
  if (streaming?.id !== current.id) find("video").src = links.play; // a stream goes on where it is
  find("video").hidden = false;
  find("download").href = links.download;
}

find("cancel").addEventListener("click", () => call(`/jobs/${current.id}`, { method: "DELETE" }));
find("revoke").addEventListener("click", async () => {
  if (!window.confirm(text("confirm"))) return;
  stopStream();
  await call(`/consents/${current.consent_id}`, { method: "DELETE" });
  find("video").hidden = true;
  find("video").removeAttribute("src");
  find("actions").hidden = true;
  find("stage").textContent = text("revoked");
  listJobs();
});

async function listJobs() {
  let jobs;
  try {
    jobs = await (await call("/jobs?limit=8")).json();
  } catch {
    return; // no key yet
  }
  find("history").hidden = jobs.length === 0;
  find("jobs").replaceChildren(
    ...jobs.map((job) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${new Date(job.created * 1000).toLocaleString(language)}  ${text(job.state)}`;
      button.className = job.state;
      button.addEventListener("click", () => open(job));
      item.append(button);
      return item;
    }),
  );
}

(async () => {
  const { key_needed } = await (await fetch("/session")).json();
  find("key-field").hidden = !key_needed;
  find("key").required = key_needed;
  find("key").value = sessionStorage.getItem("key") || "";
  find("key").addEventListener("change", () => {
    sessionStorage.setItem("key", find("key").value);
    listJobs();
  });
  translate();
  listJobs();
})();
