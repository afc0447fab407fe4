// The front end gives its audio player only to the core audio nodes, and the upload button of any node fails without
// one: put a player before the button of Sonic: Load Audio.
import { app } from "../../../scripts/app.js";

app.registerExtension({
  name: "SonicStudio.LoadAudio",
  async beforeRegisterNodeDef(_nodeType, nodeData) {
    const required = nodeData.input?.required;
    if (nodeData.name !== "SonicLoadAudio" || required?.audioUI) return;
    const { upload, ...widgets } = required;
    nodeData.input.required = { ...widgets, audioUI: ["AUDIO_UI", {}], upload: upload ?? ["AUDIOUPLOAD", {}] };
  },
});
