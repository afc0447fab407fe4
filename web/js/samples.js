// The bundled workflows name a sample photo and a sample voice. When one is opened where the input folder lacks them,
// they are uploaded, as if the user had chosen them; nothing is uploaded for any other workflow.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

const SAMPLES = {
  LoadImage: { widget: "image", file: "sonic_portrait.jpg" },
  SonicLoadAudio: { widget: "audio", file: "sonic_speech.flac" },
};

async function upload(file) {
  const sample = await fetch(new URL(`../samples/${file}`, import.meta.url));
  const body = new FormData();
  body.append("image", new File([await sample.blob()], file));
  await api.fetchApi("/upload/image", { method: "POST", body });
}

app.registerExtension({
  name: "SonicStudio.Samples",
  async afterConfigureGraph() {
    for (const node of app.graph.nodes) {
      const { widget: name, file } = SAMPLES[node.comfyClass] ?? {};
      const widget = node.widgets?.find((candidate) => candidate.name === name);
      const known = widget?.options?.values;
      if (widget?.value !== file || !Array.isArray(known) || known.includes(file)) continue;
      known.push(file);
      await upload(file);
      widget.callback?.(file);
      node.setDirtyCanvas?.(true, true);
    }
  },
});
