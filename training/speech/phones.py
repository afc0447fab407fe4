"""Phones: the inventory the speech encoder is taught, and how words become phones.

The symbols are those of Kokoro's grapheme-to-phoneme front end (misaki): IPA, with single letters for diphthongs
and affricates. Words are looked up in misaki's British and American dictionaries; there is no guessing, a text with
an unknown word is refused. `python -m training.speech.voices` needs misaki's data files, nothing else here does.
"""

from __future__ import annotations

import importlib.util
import json
import re
from functools import lru_cache
from pathlib import Path

PHONES = tuple("_pbmfvwθðtdnszlɹʃʒʧʤkɡŋhjiɪɛæɑɒɔʊuʌəɜAIOWY")  # "_" is silence
INDEX = {phone: k for k, phone in enumerate(PHONES)}
# Symbols the dictionaries use that stand for a phone above.
SAME = dict(zip("ɾTɐᵊᵻQaeorg", "ddəəɪOæɛɔɹɡ", strict=True))
UNSPOKEN = frozenset("ˈˌː")
PAUSES = frozenset(" .,!?;:—")

# GRID's 51 words, so that its alignment does not need the dictionaries (British; letters by their names).
GRID: dict[str, str] = dict(
    entry.split("=")
    for entry in (  # noqa: SIM905
        "bin=bɪn lay=lA place=plAs set=sɛt blue=blu green=ɡɹin red=ɹɛd white=wIt at=æt by=bI in=ɪn with=wɪð "
        "zero=zɪɹO one=wʌn two=tu three=θɹi four=fɔ five=fIv six=sɪks seven=sɛvən eight=At nine=nIn "
        "again=əɡɛn now=nW please=pliz soon=sun a=A b=bi c=si d=di e=i f=ɛf g=ʤi h=Aʧ i=I j=ʤA k=kA l=ɛl m=ɛm "
        "n=ɛn o=O p=pi q=kju r=ɑ s=ɛs t=ti u=ju v=vi x=ɛks y=wI z=zɛd sil=_ sp=_"
    ).split()
)
# How the few words without a stress of their own are said in a sentence.
WEAK = {
    "us": {"the": "ðə", "a": "ɐ", "to": "tə", "of": "ʌv", "and": "ænd", "that": "ðæt", "for": "fɔɹ", "was": "wʌz"},
    "gb": {"the": "ðə", "a": "ɐ", "to": "tə", "of": "ɒv", "and": "ænd", "that": "ðæt", "for": "fɔː", "was": "wɒz"},
}
SUFFIXES = (("'s", "z"), ("s", "z"), ("ed", "d"), ("ing", "ɪŋ"), ("ly", "li"))


@lru_cache
def dictionary(accent: str) -> dict[str, str]:
    """misaki's dictionary of an accent ("us" or "gb"): word -> symbols."""
    spec = importlib.util.find_spec("misaki")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pip install misaki: its dictionaries say how words are pronounced")
    words: dict[str, str] = {}
    for grade in ("silver", "gold"):
        entries = json.loads((Path(spec.origin).parent / "data" / f"{accent}_{grade}.json").read_text("utf-8"))
        for word, said in entries.items():
            symbols = said.get("DEFAULT") if isinstance(said, dict) else said
            if symbols:
                words[word] = symbols
    return words


def pronounce(word: str, accent: str) -> str | None:
    """Symbols of one word, None if the dictionary lacks it."""
    words, low = dictionary(accent), word.lower()
    if low in WEAK[accent] and word != "A":
        return WEAK[accent][low]
    for form in (word, low, word.capitalize()):
        if form in words:
            return words[form]
    for suffix, sound in SUFFIXES:
        if low.endswith(suffix):
            for stem in (low[: -len(suffix)], low[: -len(suffix)] + "e"):
                if stem in words:
                    return words[stem] + sound
    return None


def transcribe(text: str, accent: str) -> str | None:
    """Symbols of a text with its punctuation, as Kokoro wants them; None if a word is not in the dictionary."""
    out = ""
    for token in re.findall(r"[A-Za-z']+|[.,!?;:—]", text):
        if token[0].isalpha():
            symbols = pronounce(token, accent)
            if symbols is None:
                return None
            out += (" " if out else "") + symbols
        else:
            out += token
    return out


def phone_of(symbol: str) -> str | None:
    """The phone a symbol stands for, "_" for a pause, None for a mark that makes no sound of its own."""
    if symbol in PAUSES:
        return "_"
    symbol = SAME.get(symbol, symbol)
    return symbol if symbol in INDEX else None


def phones_of(symbols: str) -> list[str]:
    """The phones of a transcription without its pauses."""
    return [p for p in map(phone_of, symbols) if p not in (None, "_")]
