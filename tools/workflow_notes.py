"""The notes beside the bundled workflows: Markdown in `notes/`, English and Chinese, with what several share put in.

The workflows hold the English ones; the front end shows the user's language where it can (web/js/words.js).
"""

from __future__ import annotations

from pathlib import Path

from sonic_core.weights.catalog import FILES

NOTES = Path(__file__).parent / "notes"
LARGE = 10**6  # smaller files come along with `models download` and are not worth a line
GROUPS_ZH = {
    "1  Inputs": "1  输入",
    "2  Face": "2  人脸",
    "3  Motion": "3  动作",
    "4  Finish": "4  后期",
    "5  Video": "5  视频",
    "1  Video": "1  视频",
    "2  Finish": "2  后期",
    "3  Result": "3  结果",
    "2  Dub": "2  配音",
    "1  Voices": "1  语音",
    "2  Photos": "2  照片",
    "3  Dialogue": "3  对话",
    "4  Result": "4  结果",
}

TITLES_ZH = {
    "Text to say": "要说的文字",
    "Sample voice": "示例语音",
    "Photo from storage": "存储中的照片",
    "Voice from storage": "存储中的语音",
    "Files for sonic": "发布模型的文件",
    "Link": "链接",
    "Voice on the left": "左边的声音",
    "Voice on the right, after it": "右边的声音（随后）",
    "Photo on the left": "左边的照片",
    "Photo on the right": "右边的照片",
}


def note(name: str, language: str = "en") -> str:
    """The note `name`, with the steps and the list of model files where it asks for them."""
    text = (NOTES / f"{name}.{language}.md").read_text(encoding="utf-8")
    steps = (NOTES / f"steps.{language}.md").read_text(encoding="utf-8")
    return text.replace("{steps}", steps.rstrip()).replace("{models}", model_table())


def chinese() -> dict[str, dict[str, str]]:
    """English to Chinese: titles of groups, titles that a workflow gives its nodes, and whole notes."""
    names = [path.name.removesuffix(".en.md") for path in sorted(NOTES.glob("*.en.md")) if path.name != "steps.en.md"]
    return {"groups": GROUPS_ZH, "titles": TITLES_ZH, "notes": {note(name): note(name, "zh") for name in names}}


def model_table() -> str:
    """The released model's files with their links and sizes, in one paragraph, and their licences."""
    large = [file for file in FILES if file.size > LARGE]
    links = ", ".join(f"[{file.path}]({file.url}) {file.size / 1e9:.2g} GB" for file in large)
    return f"{links} ({'; '.join(dict.fromkeys(file.licence for file in large))})."
