// Requests to the service, and its errors in the language of the page.
import { errorText } from "./texts.js";

export const find = (id) => document.getElementById(id);

export function headers() {
  return find("key").value ? { Authorization: `Bearer ${find("key").value}` } : {};
}

export class Problem extends Error {
  constructor(status, detail) {
    super(errorText(status, detail));
    this.status = status;
  }
}

export async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { ...options.headers, ...headers() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "");
  }
  if (!answer.ok) throw new Problem(answer.status, await detailOf(() => answer.json()));
  return answer;
}

async function detailOf(read) {
  try {
    const { detail } = await read();
    return typeof detail === "string" ? detail : "";
  } catch {
    return "";
  }
}

// A form with its progress: fetch cannot tell how much has been sent.
export function send(path, body, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => event.total && onProgress(event.loaded / event.total));
    request.addEventListener("load", async () => {
      if (request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(new Problem(request.status, await detailOf(() => JSON.parse(request.responseText))));
    });
    request.addEventListener("error", () => reject(new Problem(0, "")));
    request.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}
