// Sonic: Load Model shows only what does something for the chosen model: lite always computes in fp32
// and is neither compiled nor stored in 8 bits.
// Where the released model is not installed, a button puts the node beside it that fetches its files.
import { app } from "../../../scripts/app.js";

const BUNDLED = "lite";
const RELEASED_ONLY = ["precision", "compile", "weights"];
const ROW = 28; // height of a widget in Nodes 2.0
const ABSENT = "(not installed)";
const FETCH = "SonicDownloadModel";
const BUTTON = { en: "Download its files...", zh: "下载文件……" };

function hide(widget, hidden) {
  widget.hidden = hidden;
  widget.options.hidden = hidden;
  if (hidden) widget.computeSize = () => [0, -4]; // front end 1.27.10 would keep its row free
  else delete widget.computeSize;
}

const shown = (node) => (node.widgets ?? []).filter((widget) => !widget.hidden).length;

// What is below stays in sight: a node that gets more rows grows upwards.
function grow(node, rows) {
  node.pos = [node.pos[0], node.pos[1] - rows * ROW];
  node.setSize([node.size[0], node.size[1] + rows * ROW]);
}

function show(node, model) {
  for (const widget of node.widgets ?? []) {
    if (RELEASED_ONLY.includes(widget.name)) hide(widget, model === BUNDLED);
    if (widget.name === FETCH) hide(widget, !String(model).endsWith(ABSENT));
  }
  node.setDirtyCanvas?.(true, true);
}

function putBeside(node) {
  const fetching = app.graph.nodes.find((other) => other.comfyClass === FETCH) ?? LiteGraph.createNode(FETCH);
  if (!fetching.graph) {
    fetching.setSize([Math.max(fetching.size[0], 420), fetching.size[1]]);
    fetching.pos = [node.pos[0], node.pos[1] - fetching.size[1] - 60];
    app.graph.add(fetching);
  }
  app.canvas.selectNode(fetching);
  app.canvas.centerOnNode(fetching);
}

function addButton(node) {
  const locale = String(app.extensionManager.setting.get("Comfy.Locale") ?? "");
  const button = node.addWidget("button", FETCH, null, () => putBeside(node), { serialize: false });
  button.label = locale.startsWith("zh") ? BUTTON.zh : BUTTON.en;
  button.serialize = false;
}

app.registerExtension({
  name: "SonicStudio.LoadModel",
  nodeCreated(node) {
    if (node.comfyClass !== "SonicLoadModel") return;
    const widget = node.widgets?.find((candidate) => candidate.name === "model");
    if (!widget) return;
    addButton(node);
    const chosen = widget.callback;
    widget.callback = function (value, ...rest) {
      const before = shown(node);
      show(node, value);
      if (shown(node) !== before) grow(node, shown(node) - before);
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
