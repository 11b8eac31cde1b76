"""Text to words, and words to their plain form."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*|[^\w\s]", re.UNICODE)

_JOINERS = dict.fromkeys((0xFE0F, 0xFE0E, 0x200D, 0x200B))
_IRREGULAR = {
    "women": "woman", "men": "man", "children": "child", "feet": "foot", "teeth": "tooth", "mice": "mouse",
    "geese": "goose", "oxen": "ox", "wolves": "wolf", "knives": "knife", "leaves": "leaf", "lives": "life",
}  # fmt: skip
_STOP = (
    "a an the and or but of in on at to into onto from with by for as is are was were be been being it its this "
    "that these those there here his her their our your my he she they we you i him them us me who which what "
    "while when where then than so very really just also some any each every all both more most much many few "
    "several lot lots other another up down out off over under through across along around between near behind "
    "beside beneath above below toward towards against within upon about after before during until not do does "
    "did has have had can could will would shall should may might must let make makes made get gets one's s t "
    "like himself herself itself themselves oneself doing one"
)
STOP = frozenset(_STOP.split())
NEGATIONS = frozenset({"no", "without", "not", "never", "avoid", "exclude", "excluding", "except"})


def words(text: str) -> list[str]:
    """Lower-case words and single marks, in order. Fullwidth and compatibility forms are folded to plain ones."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").translate(_JOINERS)
    return _WORD.findall(folded)


def plain_forms(word: str) -> list[str]:
    """`word` and what it may be a plural, verb or possessive form of, likeliest first."""
    forms = [word]
    if word in _IRREGULAR:
        forms.append(_IRREGULAR[word])
    if word.endswith("'s"):
        word = word[:-2]
        forms.append(word)
    for ending, instead in (
        ("ies", "y"),
        ("ves", "f"),
        ("sses", "ss"),
        ("xes", "x"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("s", ""),
    ):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith("ss"):
            forms.append(word[: -len(ending)] + instead)
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word[: -len(ending)]
            forms += [stem, stem + "e"]
            if len(stem) > 2 and stem[-1] == stem[-2]:
                forms.append(stem[:-1])
    return list(dict.fromkeys(forms))
