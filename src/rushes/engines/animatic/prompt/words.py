"""Text to words, and words to their plain form."""

from __future__ import annotations

import re
import unicodedata

_VOWELS = "".join(
    chr(code)
    for code in (*range(0x300, 0x3100), *range(0xA000, 0xAC00))
    if unicodedata.category(chr(code)) in ("Mn", "Mc")
)
"""Signs that many scripts put on their letters; a word goes on over them. What lies between are the signs of Chinese and
Korean, which are whole."""
_LETTERS = f"(?:[^\\W_]|[{_VOWELS}])+"
_WORD = re.compile(rf"{_LETTERS}(?:(?:['’]|['’]?\-){_LETTERS})*|[^\w\s]", re.UNICODE)


_NAME = re.compile(r"(?<=[a-z,] )[A-Z][^\W_]*|\b[A-Z][^\W_]*(?= [A-Z])")


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_JOINERS = dict.fromkeys((0xFE0F, 0xFE0E, 0x200D, 0x200B))
_IRREGULAR = {
    "children": "child", "feet": "foot", "teeth": "tooth", "mice": "mouse", "geese": "goose", "oxen": "ox",
    "lice": "louse", "dice": "die", "cacti": "cactus", "fungi": "fungus", "octopi": "octopus", "larvae": "larva",
    "algae": "alga", "nebulae": "nebula", "vertebrae": "vertebra", "antennae": "antenna", "oases": "oasis",
    "stadia": "stadium", "aquaria": "aquarium", "paparazzi": "paparazzo", "loaves": "loaf", "leaves": "leaf",
    "thieves": "thief", "chateaux": "chateau", "plateaux": "plateau", "gateaux": "gateau",
}  # fmt: skip
_LIKENESS = word_set(
    "flat clear painted made drawn crafted woven carved knitted sewn shaped like free proof resistant themed style styled sized hard cold hot dried colored coloured toned based deep "
    "inspired looking friendly powered"
)
"""A word joined to the front of one of these is not there: a heart-shaped box holds no heart."""
STOP = word_set(
    "a an the and or but of in on at to into onto from with by for as is are was were be been being it its this "
    "that these those there here his her their our your my he she they we you i him them us me who which what "
    "while when where then than so very really just also some any each every all both more most much many few "
    "several lot lots other another up down out off over under through across along around between near behind "
    "beside beneath above below toward towards against within upon about after before during until not do does "
    "did has have had can could will would shall should may might must let make makes made get gets one's s "
    "like himself herself itself themselves oneself doing one if etc something someone somebody everything everyone nothing "
    "among amongst amid amidst via per there's that's they're you're we're i'm it's he's she's anything anyone whether because although though whose why how"
)
NEGATIONS = word_set(
    "no without not never avoid exclude excluding except nor minus lacking don't doesn't isn't aren't wasn't"
)
NEGATING = frozenset(
    {
        ("free", "of"),
        ("free", "from"),
        ("devoid", "of"),
        ("empty", "of"),
        ("instead", "of"),
        ("rather", "than"),
    }
)
"""Pairs of words that negate; "car free" does too, but is one of those that only compare."""


def spoken(text: str) -> list[tuple[str, str]]:
    """Lower-case words and single marks, in order, each with how the text says it. Fullwidth and compatibility forms are
    folded to plain ones; words joined by hyphens come apart, without what they are only likened to."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").translate(_JOINERS)
    out: list[tuple[str, str]] = []
    for word in _WORD.findall(folded):
        parts = word.replace("'-", "-").split("-") if word[0].isalnum() else [word]
        out += [(part, word) for part in (parts[-1:] if parts[-1] in _LIKENESS else parts)]
    return out


def bare(word: str) -> str:
    """`word` without the accents that English leaves out as well: *café*, *macramé*."""
    letters = "".join(
        sign for sign in unicodedata.normalize("NFD", word) if unicodedata.category(sign) != "Mn"
    )
    return letters if letters.isascii() else word


def names(text: str) -> frozenset[str]:
    """What is written large within a sentence or before another such word: *Vader* is no slip of the pen. Where all is, nobody can tell."""
    found = [word.casefold() for word in _NAME.findall(text)]
    return frozenset(found) if 3 * len(found) < 2 * len(text.split()) else frozenset()


def words(text: str) -> list[str]:
    return [word for word, _ in spoken(text)]


def plain_forms(word: str) -> list[str]:
    """`word` and what it may be a plural, verb or possessive form of, likeliest first."""
    forms = [word]
    if word.endswith(("'s", "s'")):
        word = word.removesuffix("'").removesuffix("'s")
        forms.append(word)
    if word in _IRREGULAR:
        forms.append(_IRREGULAR[word])
    if (word.endswith("men") and len(word) > 4) or word in ("men", "women"):
        forms.append(word[:-2] + "an")
    for ending, instead in (
        ("sses", "ss"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("s", ""),
        ("ies", "y"),
        ("ves", "f"),
        ("ves", "fe"),
        ("oes", "o"),
        ("ses", "s"),
        ("zzes", "z"),
        ("xes", "x"),
    ):
        shortest = 2 if ending in ("ies", "ses") else 3
        if word.endswith(ending) and len(word) >= len(ending) + shortest and not word.endswith("ss"):
            forms.append(word[: -len(ending)] + instead)
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word[: -len(ending)]
            forms += [stem, stem + "e"]
            if len(stem) > 2 and stem[-1] == stem[-2]:
                forms.append(stem[:-1])
    return list(dict.fromkeys(forms))
