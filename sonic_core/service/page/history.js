// Earlier videos: a picture, a name, when and how long; page by page.
import { call, find } from "./api.js";
import { language, text } from "./texts.js";
import { open, stateText } from "./work.js";

const PAGE = 8;
let next = null;

export async function listJobs(more = false) {
  let answer;
  try {
    answer = await call(`/jobs?limit=${PAGE}${more && next ? `&cursor=${encodeURIComponent(next)}` : ""}`);
  } catch {
    return; // no key yet
  }
  next = answer.headers.get("X-Next-Cursor");
  const items = (await answer.json()).map(item);
  if (more) find("jobs").append(...items);
  else find("jobs").replaceChildren(...items);
  find("history").hidden = find("jobs").childElementCount === 0;
  find("more").hidden = !next;
}

function item(job) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = job.deleted ? "deleted" : job.state;
  button.dataset.job = job.id;
  const picture = document.createElement("img");
  picture.alt = "";
  picture.loading = "lazy";
  const name = document.createElement("strong");
  name.textContent = job.name || new Date(job.created * 1000).toLocaleString(language());
  const about = document.createElement("span");
  const length = job.seconds ? `${job.seconds.toFixed(1)} ${text("seconds")}` : "";
  about.textContent = [job.deleted || job.state !== "failed" ? stateText(job) : text("failed"), length].filter(Boolean).join(" · ");
  button.append(picture, name, about);
  button.addEventListener("click", async () => open(await (await call(`/jobs/${job.id}`)).json()));
  if (!job.deleted) thumbnail(job, picture);
  const entry = document.createElement("li");
  entry.append(button);
  return entry;
}

async function thumbnail(job, picture) {
  try {
    picture.src = URL.createObjectURL(await (await call(`/jobs/${job.id}/thumbnail`)).blob());
  } catch {
    picture.classList.add("none"); // its material lay in storage, or has been deleted
  }
}

find("more").addEventListener("click", () => listJobs(true));
