"""The phones that the ears learn, a little finer than the differences of lips, jaw and tongue demand.

Names are ARPAbet where English has the phone; the others are added by Mandarin, Japanese, Spanish and French.
"""

from __future__ import annotations

PHONES = (  # noqa: SIM905
    "SIL P B M F V W HH TH DH T D N S Z L R SH ZH CH JH K G NG Y "
    "IY IH EH AE AA AO UH UW AH ER EY AY OW AW OY "
    "UE OE PF RR X"  # rounded front vowels, bilabial fricatives (ja f, es v), trills and taps, back fricatives
).split()
NUMBER = {phone: k for k, phone in enumerate(PHONES)}


def of_arpabet(name: str) -> str:
    """The name of a CMU phone without its stress mark."""
    return name.rstrip("012")


# IPA as eSpeak NG and misaki write it, longest symbols first. A symbol that is not here makes no sound of its own.
IPA = dict(
    entry.split("=")
    for entry in (  # noqa: SIM905
        "ts.=CH s.=SH tsh=S iou=OW uei=EY uai=AY uo=OW ua=AA iɛ=EH iɑu=AW o-=AH "  # eSpeak's own for Mandarin
        "t͡ɕ=CH ts=S tɕ=CH dʑ=JH tʃ=CH dʒ=JH ʈʂ=CH tʂ=CH ʧ=CH ʤ=JH dz=Z "
        "aɪ=AY eɪ=EY oʊ=OW əʊ=OW aʊ=AW ɔɪ=OY ai=AY ei=EY ou=OW au=AW ɑu=AW "
        "ä=AA ɽ=RR p=P b=B m=M ɱ=M f=F v=V ʋ=V w=W ʍ=W h=HH ɦ=HH θ=TH ð=DH t=T ʈ=T d=D ɖ=D n=N ɲ=N ɳ=N s=S z=Z "
        "l=L ɫ=L ɭ=L ʎ=L "
        "ɹ=R ɻ=R ɚ=ER ɝ=ER ʃ=SH ɕ=SH ʂ=SH ʒ=ZH ʑ=ZH ʐ=R k=K c=K q=K ɡ=G g=G ɟ=G ŋ=NG ɴ=NG j=Y ʝ=Y "
        "i=IY ɪ=IH ɨ=IH e=EY ɛ=EH æ=AE a=AA ɐ=AH ɑ=AA ɒ=AO ɔ=AO o=OW ɤ=AH ʊ=UH u=UW ɯ=UH ʉ=UW ʌ=AH ə=AH ɜ=ER ɵ=UH "
        "y=UE ʏ=UE ɥ=UE ø=OE œ=OE ɸ=PF β=PF ɾ=RR r=RR ʁ=X ʀ=X x=X χ=X ɣ=X ç=HH "
        "A=EY I=AY O=OW W=AW Y=OY Q=OW ᵊ=AH"
    ).split()
)


# Marks of length, stress and tone, and diacritics.
MARKS = "ˈˌːˑʲʰʷᵝ|˞0123456789^" + "".join(map(chr, range(0x300, 0x370)))


def of_ipa(symbol: str) -> str | None:
    """The phone of one IPA symbol, whose length, stress and nasal marks are ignored; None if it makes no sound."""
    plain = "".join(c for c in symbol if c not in MARKS)
    for length in (3, 2, 1):
        if plain[:length] in IPA and len(plain) >= length:
            return IPA[plain[:length]]
    return None
