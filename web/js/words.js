// The notes and the titles of groups and nodes in the pack's templates, in the language the front end is shown in: core
// translates nodes and widgets, and nothing else of a workflow. Only text that is word for word the template's is
// replaced, in either direction: what was saved in one language is read in the other.
import { app } from "../../../scripts/app.js";

const LANGUAGES = ["zh"];
const known = {};

async function wordsOf(language) {
  known[language] ??= await (await fetch(new URL(`../words/${language}.json`, import.meta.url))).json();
  return known[language];
}

const turned = (words) => Object.fromEntries(Object.entries(words).map(([english, other]) => [other, english]));

async function toShow(locale) {
  const language = LANGUAGES.find((one) => locale.startsWith(one));
  if (language) return wordsOf(language);
  const shown = { groups: {}, titles: {}, notes: {} };
  for (const other of LANGUAGES) {
    for (const [kind, words] of Object.entries(await wordsOf(other))) Object.assign(shown[kind], turned(words));
  }
  return shown;
}

app.registerExtension({
  name: "SonicStudio.Words",
  async afterConfigureGraph() {
    if (!app.graph.nodes.some((node) => node.comfyClass?.startsWith("Sonic"))) return;
    const { groups, titles, notes } = await toShow(String(app.extensionManager.setting.get("Comfy.Locale") ?? ""));
    for (const group of app.graph.groups ?? []) group.title = groups[group.title] ?? group.title;
    for (const node of app.graph.nodes) {
      node.title = titles[node.title] ?? node.title;
      const widget = node.type === "MarkdownNote" ? node.widgets?.[0] : undefined;
      if (widget && notes[widget.value]) widget.value = notes[widget.value];
    }
    app.graph.setDirtyCanvas?.(true, true);
  },
});
