"""Make the font of the visible label: a subset of Noto Sans CJK SC Bold (SIL Open Font License 1.1).

    apt-get download fonts-noto-cjk && dpkg-deb -x fonts-noto-cjk_*.deb noto
    python tools/make_label_font.py noto/usr/share

Needs fonttools. Holds Latin, Cyrillic, kana, the 3755 common Chinese characters of GB 2312 level 1, and the
characters of the labels in `sonic_core.disclosure.label`. The licence is copied from the package beside the font.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fontTools import subset

from sonic_core.disclosure.label import FONT, LABELS

FACE = 2  # Simplified Chinese in the collection
RANGES = [(0x20, 0x17F), (0x400, 0x45F), (0x1E00, 0x1EFF), (0x2010, 0x2026), (0x3000, 0x30FF), (0xFF01, 0xFF5E)]
OFFICES = "合成辅助人工智能由创建深度视频语音画面内容仅供参考聲影視頻產創製動畫數位"


def common_chinese() -> str:
    """GB 2312 level 1: rows 16 to 55 of 94 characters, the last row five short."""
    codes = [bytes([0xA0 + row, 0xA0 + cell]) for row in range(16, 56) for cell in range(1, 95)]
    return b"".join(codes[:-5]).decode("gb2312")


def licence(copyright_file: Path) -> str:
    """The licence text out of a Debian copyright file, its ` .` lines made blank again."""
    text = copyright_file.read_text("utf-8")
    text = text[text.index("SIL OPEN FONT LICENSE") :].split("\n\n")[0]
    lines = [line[1:] if line.startswith(" ") else line for line in text.splitlines()]
    head = "Noto Sans CJK, copyright 2014-2021 Adobe (http://www.adobe.com/); this file is a subset of it.\n\n"
    return head + "\n".join("" if line == "." else line for line in lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("share", type=Path, help="usr/share of the unpacked package fonts-noto-cjk")
    share = parser.parse_args().share
    text = common_chinese() + OFFICES + "".join(LABELS.values())
    wanted = {ord(c) for c in text} | {code for low, high in RANGES for code in range(low, high + 1)}
    options = subset.Options(font_number=FACE, layout_features=["kern"], hinting=False)
    font = subset.load_font(str(share / "fonts/opentype/noto/NotoSansCJK-Bold.ttc"), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=wanted)
    subsetter.subset(font)
    FONT.parent.mkdir(exist_ok=True)
    subset.save_font(font, str(FONT), options)
    (FONT.parent / "OFL.txt").write_text(licence(share / "doc/fonts-noto-cjk/copyright"), "utf-8")
    print(f"{FONT}: {FONT.stat().st_size} bytes, {len(font.getGlyphOrder())} glyphs")


if __name__ == "__main__":
    main()
