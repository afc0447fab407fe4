// The bundled workflows name sample files. When one is opened where the input folder lacks them, they are uploaded, as if
// the user had chosen them; nothing is uploaded for any other workflow.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

const PORTRAIT = "sonic_portrait.jpg";
const FOLDER = "sonic_photos";
const SAMPLES = {
  LoadImage: { widget: "image", value: PORTRAIT },
  LoadAudio: { widget: "audio", value: "sonic_speech.flac" },
  SonicLoadAudio: { widget: "audio", value: "sonic_speech.flac" },
  LoadVideo: { widget: "file", value: "sonic_video.mp4" },
  SonicLoadPhotos: { widget: "folder", value: FOLDER, file: PORTRAIT, subfolder: FOLDER },
};

async function upload(file, subfolder = "") {
  const sample = await fetch(new URL(`../samples/${file}`, import.meta.url));
  const body = new FormData();
  body.append("image", new File([await sample.blob()], file));
  body.append("subfolder", subfolder);
  body.append("overwrite", "true");
  await api.fetchApi("/upload/image", { method: "POST", body });
}

app.registerExtension({
  name: "SonicStudio.Samples",
  async afterConfigureGraph() {
    for (const node of app.graph.nodes) {
      const { widget: name, value, file, subfolder } = SAMPLES[node.comfyClass] ?? {};
      const widget = node.widgets?.find((candidate) => candidate.name === name);
      const known = widget?.options?.values;
      if (widget?.value !== value || !Array.isArray(known) || known.includes(value)) continue;
      known.push(value);
      await upload(file ?? value, subfolder);
      widget.callback?.(value);
      node.setDirtyCanvas?.(true, true);
    }
  },
});
