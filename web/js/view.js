// Newer front ends show all of a template by themselves; older ones keep the view that its file names, and the result
// would lie outside the window.
import { app } from "../../../scripts/app.js";

const OFFSET = [28, 76]; // of tools/make_workflows.py: nobody has moved the view since
const EDGE = 5;
const TABS = 40; // the height of the open workflows' names, which lie over the canvas

function showAll(ds, boxes, { width, height }) {
  const left = Math.min(...boxes.map(({ pos }) => pos[0]));
  const top = Math.min(...boxes.map(({ pos }) => pos[1]));
  const right = Math.max(...boxes.map(({ pos, size }) => pos[0] + size[0]));
  const bottom = Math.max(...boxes.map(({ pos, size, flags }) => pos[1] + (flags?.collapsed ? 0 : size[1])));
  const scale = Math.min((width - 2 * EDGE) / (right - left), (height - TABS - EDGE) / (bottom - top));
  if (scale > 0.95) return; // in a large window
  ds.scale = scale;
  ds.offset[0] = EDGE / scale - left;
  ds.offset[1] = TABS / scale - top;
}

app.registerExtension({
  name: "SonicStudio.View",
  afterConfigureGraph() {
    const { ds } = app.canvas;
    if (ds.scale !== 1 || ds.offset[0] !== OFFSET[0] || ds.offset[1] !== OFFSET[1]) return;
    if (!app.graph.nodes.some((node) => node.comfyClass?.startsWith("Sonic"))) return;
    showAll(ds, [...app.graph.nodes, ...app.graph.groups], app.canvas.canvas.getBoundingClientRect());
    app.graph.setDirtyCanvas?.(true, true);
  },
});
