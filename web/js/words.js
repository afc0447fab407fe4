// The notes and the titles of groups in the pack's templates, in the language the front end is shown in: core translates
// nodes and widgets, and nothing else of a workflow. Only text that is word for word the template's is replaced.
import { app } from "../../../scripts/app.js";

const LANGUAGES = ["zh"];
let words;

async function wordsOf(language) {
  words ??= await (await fetch(new URL(`../words/${language}.json`, import.meta.url))).json();
  return words;
}

app.registerExtension({
  name: "SonicStudio.Words",
  async afterConfigureGraph() {
    const locale = String(app.extensionManager.setting.get("Comfy.Locale") ?? "");
    const language = LANGUAGES.find((known) => locale.startsWith(known));
    const ours = app.graph.nodes.some((node) => node.comfyClass?.startsWith("Sonic"));
    if (!language || !ours) return;
    const { groups, notes } = await wordsOf(language);
    for (const group of app.graph.groups ?? []) group.title = groups[group.title] ?? group.title;
    for (const node of app.graph.nodes) {
      const widget = node.type === "MarkdownNote" ? node.widgets?.[0] : undefined;
      if (widget && notes[widget.value]) widget.value = notes[widget.value];
    }
    app.graph.setDirtyCanvas?.(true, true);
  },
});
