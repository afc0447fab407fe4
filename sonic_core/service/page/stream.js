// Plays a job's video while it is being made, under a scrub bar as long as the whole, filled as far as it is made.
import { call, find, headers } from "./api.js";

let streaming = null; // { id, hls, made } of the job whose stream plays; `made` in seconds
let askedFor = null; // id of the job whose stream is being asked for

// Begins to play as soon as the job has a stream; called whenever the job is heard of.
export async function playStream(job, isCurrent) {
  if (job.state !== "running" || job.stage !== "rendering" || askedFor === job.id || streaming?.id === job.id) return;
  if (!window.Hls || !Hls.isSupported()) return; // the finished video will play
  askedFor = job.id;
  const address = `/jobs/${job.id}/stream.m3u8`;
  const there = await call(address).then(() => true, () => false);
  if (there && isCurrent(job.id)) attachStream(job, address);
  askedFor = null;
}

function attachStream({ id, seconds }, address) {
  stopStream();
  const video = find("video");
  // No worker: the page's security policy allows no scripts but its own files.
  const hls = new Hls({ enableWorker: false, startPosition: 0, xhrSetup: sendKey });
  streaming = { id, hls, made: 0 };
  hls.on(Hls.Events.ERROR, (_, problem) => {
    if (problem.fatal) stopStream(); // the finished video will play
  });
  hls.on(Hls.Events.LEVEL_UPDATED, (_, { details }) => showMade(details.edge, seconds, details.live));
  hls.loadSource(address);
  hls.attachMedia(video);
  video.hidden = false;
  video.play().catch(() => {}); // browsers that want a click first show their button
}

// The key goes to our own addresses only, never to those of a bucket.
function sendKey(request, url) {
  const { origin, pathname } = new URL(url, location.href);
  if (origin !== location.origin || !pathname.startsWith("/jobs/")) return;
  for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
}

function showMade(made, seconds, growing) {
  const bar = find("scrub");
  streaming.made = made;
  bar.hidden = !growing || !seconds; // the finished video has its own bar
  bar.max = seconds;
  bar.style.setProperty("--made", `${(100 * made) / seconds}%`);
}

find("video").addEventListener("timeupdate", () => (find("scrub").value = find("video").currentTime));
find("scrub").addEventListener("input", () => {
  if (streaming) find("video").currentTime = Math.min(find("scrub").value, streaming.made - 0.2);
});

export function stopStream() {
  find("scrub").hidden = true;
  if (!streaming) return;
  streaming.hls.destroy();
  streaming = null;
}

export const streams = (id) => streaming?.id === id;
