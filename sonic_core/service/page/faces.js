// Whose voice is whose: with a second voice, faces on the photo are clicked, the first voice's first.
import { call, find } from "./api.js";
import { isDub } from "./material.js";
import { text } from "./texts.js";

const form = find("form");
const place = find("faces");
let picked = []; // numbers of the chosen faces, in the order of their voices
let asked = null; // the photo whose faces are shown

// The chosen faces, or null where the service chooses: from left to right.
export const chosenFaces = () => (picked.length === 2 ? picked : null);

export async function showFaces() {
  const photo = form.second.files.length && !isDub() ? form.image.files[0] || null : null;
  if (photo === asked) return;
  asked = photo;
  picked = [];
  place.replaceChildren();
  find("faces-hint").textContent = "";
  if (!photo) return;
  const body = new FormData();
  body.set("image", photo);
  try {
    const { faces } = await (await call("/faces", { method: "POST", body })).json();
    if (photo !== asked) return; // another one was chosen meanwhile
    picked = faces.slice(0, 2).sort((a, b) => a.box[0] - b.box[0]).map((face) => face.number);
    place.replaceChildren(...faces.map(button));
    mark();
  } catch (error) {
    if (photo === asked) find("problem").textContent = error.message;
  }
}

function button({ number, box: [left, top, right, bottom] }) {
  const face = document.createElement("button");
  face.type = "button";
  face.dataset.face = number;
  const percent = (share) => `${100 * share}%`;
  Object.assign(face.style, { left: percent(left), top: percent(top), width: percent(right - left), height: percent(bottom - top) });
  face.addEventListener("click", (event) => {
    event.preventDefault(); // the photo below would open the file dialog
    picked = picked.includes(number) ? picked.filter((other) => other !== number) : [...picked, number].slice(-2);
    mark();
  });
  return face;
}

// Each chosen face shows the number of its voice.
function mark() {
  for (const face of place.children) {
    const voice = picked.indexOf(Number(face.dataset.face)) + 1;
    face.textContent = voice || "";
    face.setAttribute("aria-pressed", String(voice > 0));
    face.setAttribute("aria-label", voice ? `${text("voice")} ${voice}` : text("nobody"));
  }
  find("faces-hint").textContent = place.children.length < 2 ? text("oneFace") : text("pickFaces");
}
