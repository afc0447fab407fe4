// The pack's own sockets and wires in colours of their own, in both renderers of the front end. Its palettes know core's
// types only and clear the others each time one is loaded, so the colours are held against that.
import { app } from "../../../scripts/app.js";

const COLOURS = {
  SONIC_MODEL: "#b08ae0",
  SONIC_PREDATA: "#5fc9b0",
  SONIC_LATENTS: "#e58fc0",
  SONIC_CLIP: "#f0a860",
  "SONIC_CLIP,SONIC_LATENTS": "#f0a860",
};

function hold(colours, type, colour) {
  if (colours) Object.defineProperty(colours, type, { get: () => colour, set() {}, enumerable: true, configurable: true });
}

app.registerExtension({
  name: "SonicStudio.Colours",
  setup() {
    const rules = [];
    for (const [type, colour] of Object.entries(COLOURS)) {
      hold(app.canvas?.default_connection_color_byType, type, colour);
      hold(globalThis.LGraphCanvas?.link_type_colors, type, colour);
      rules.push(`--color-datatype-${CSS.escape(type)}: ${colour} !important;`);
    }
    const style = document.createElement("style");
    style.textContent = `:root { ${rules.join(" ")} }`;
    document.head.append(style);
  },
});
