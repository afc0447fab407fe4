// The job on the screen: its progress, its video, and what can be done with it.
import { Problem, call, find } from "./api.js";
import { playStream, stopStream, streams } from "./stream.js";
import { errorText, text } from "./texts.js";

const ENDED = ["done", "failed", "cancelled"];
const RETRY_MS = 2000;
let current = null;
let watching = null; // AbortController of its events
let changed = () => {};

export function onJobs(listener) {
  changed = listener;
}

export function open(job) {
  if (watching) watching.abort();
  hideVideo();
  show(job);
  if (job.deleted) return;
  if (job.state === "done") play();
  else if (!ENDED.includes(job.state)) watch(job.id);
  find("work").scrollIntoView({ behavior: "smooth", block: "nearest" });
}

export function refresh() {
  if (current) show(current);
}

function hideVideo() {
  stopStream();
  find("video").hidden = true;
  find("video").removeAttribute("src");
  find("video").load();
}

export function stateText(job) {
  if (job.deleted) return text("deleted");
  if (job.state === "failed" && job.error) return `${text("failed")}: ${errorText(400, job.error)}`;
  return job.state === "running" ? text(job.stage) : text(job.state);
}

function show(job) {
  current = job;
  const ended = ENDED.includes(job.state);
  find("work").hidden = false;
  find("work").dataset.state = job.deleted ? "deleted" : job.state;
  find("work-name").textContent = job.name || "";
  find("stage").textContent = stateText(job);
  find("percent").textContent = ended ? "" : `${Math.round(job.progress * 100)} %`;
  find("progress").value = job.progress;
  find("progress").hidden = find("cancel").hidden = ended;
  find("retry").hidden = job.state !== "failed" || job.deleted;
  find("actions").hidden = job.state !== "done" || job.deleted;
  playStream(job, (id) => current.id === id);
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
      if (ENDED.includes(current.state)) {
        if (current.state === "done" && !current.deleted) await play();
        return changed();
      }
    } catch (error) {
      if (signal.aborted) return;
      // Only a broken connection is worth another try: a job that is gone stays gone.
      if (error instanceof Problem && error.status >= 400 && error.status < 500) {
        find("stage").textContent = error.message;
        return;
      }
      find("stage").textContent = text("lost");
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function play() {
  const job = current;
  try {
    const links = await (await call(`/jobs/${job.id}/link`)).json();
    if (current !== job) return;
    if (!streams(job.id)) find("video").src = links.play; // a stream goes on where it is
    find("video").hidden = false;
    find("download").href = links.download;
  } catch (error) {
    if (current !== job) return;
    if (error.status === 410) show({ ...job, deleted: true });
    else find("stage").textContent = error.message;
  }
}

async function act(work) {
  try {
    await work();
  } catch (error) {
    find("stage").textContent = error.message;
  }
  changed();
}

find("cancel").addEventListener("click", () =>
  act(async () => {
    const job = await (await call(`/jobs/${current.id}`, { method: "DELETE" })).json();
    if (ENDED.includes(job.state)) {
      watching?.abort();
      show(job);
    }
  }),
);
find("retry").addEventListener("click", () =>
  act(async () => open(await (await call(`/jobs/${current.id}/retry`, { method: "POST" })).json())),
);
find("revoke").addEventListener("click", () => {
  if (!window.confirm(text("confirm"))) return;
  act(async () => {
    await call(`/consents/${current.consent_id}`, { method: "DELETE" });
    watching?.abort();
    hideVideo();
    show({ ...current, deleted: true });
    find("stage").textContent = text("revoked");
  });
});
