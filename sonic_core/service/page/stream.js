// Plays a job's video while it is being made.
import { call, find, headers } from "./api.js";

let streaming = null; // { id, hls } of the job whose stream plays
let askedFor = null; // id of the job whose stream is being asked for

// Begins to play as soon as the job has a stream; called whenever the job is heard of.
export async function playStream(job, isCurrent) {
  if (job.state !== "running" || job.stage !== "rendering" || askedFor === job.id || streaming?.id === job.id) return;
  if (!window.Hls || !Hls.isSupported()) return; // the finished video will play
  askedFor = job.id;
  const address = `/jobs/${job.id}/stream.m3u8`;
  const there = await call(address).then(() => true, () => false);
  if (there && isCurrent(job.id)) attachStream(job.id, address);
  askedFor = null;
}

function attachStream(id, address) {
  stopStream();
  const video = find("video");
  // No worker: the page's security policy allows no scripts but its own files.
  const hls = new Hls({ enableWorker: false, startPosition: 0, xhrSetup: sendKey });
  streaming = { id, hls };
  hls.on(Hls.Events.ERROR, (_, problem) => {
    if (problem.fatal) stopStream(); // the finished video will play
  });
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

export function stopStream() {
  if (!streaming) return;
  streaming.hls.destroy();
  streaming = null;
}

export const streams = (id) => streaming?.id === id;
