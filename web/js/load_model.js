// Sonic: Load Model shows only what does something for the chosen model: lite always computes in fp32 and is not compiled.
import { app } from "../../../scripts/app.js";

const BUNDLED = "lite";
const RELEASED_ONLY = ["precision", "compile"];

function show(node, model) {
  for (const widget of node.widgets ?? []) {
    if (!RELEASED_ONLY.includes(widget.name)) continue;
    widget.hidden = model === BUNDLED;
    widget.options.hidden = widget.hidden;
  }
  node.setDirtyCanvas?.(true, true);
}

app.registerExtension({
  name: "SonicStudio.LoadModel",
  nodeCreated(node) {
    if (node.comfyClass !== "SonicLoadModel") return;
    const widget = node.widgets?.find((candidate) => candidate.name === "model");
    if (!widget) return;
    const chosen = widget.callback;
    widget.callback = function (value, ...rest) {
      show(node, value);
      return chosen?.call(this, value, ...rest);
    };
    const configured = node.onConfigure;
    node.onConfigure = function (...saved) {
      configured?.apply(this, saved);
      show(node, widget.value);
    };
    show(node, widget.value);
  },
});
