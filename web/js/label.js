// "auto" as the language of Sonic: AI Label is the language the front end is shown in. The workflow keeps "auto"; what
// is queued names the language, so that a server with several users labels each in their own.
import { app } from "../../../scripts/app.js";

const language = () => (String(app.extensionManager.setting.get("Comfy.Locale") ?? "").startsWith("zh") ? "zh" : "en");

app.registerExtension({
  name: "SonicStudio.Label",
  nodeCreated(node) {
    if (node.comfyClass !== "SonicLabel") return;
    const widget = node.widgets?.find((candidate) => candidate.name === "language");
    if (widget) widget.serializeValue = () => (widget.value === "auto" ? language() : widget.value);
  },
});
