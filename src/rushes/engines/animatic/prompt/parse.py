"""Reading a prompt.

Camera grammar goes first and consumes its words, so that a *drone shot* flies no insect and *pan left* cooks nothing.
Then the lexicon takes the longest phrase at each place. Words after *no* or *without* are what to leave out. What is
left and could have been drawn is ignored, and said so.
"""

from __future__ import annotations

from functools import cache

from rushes.engines.animatic.prompt.brief import Brief, Wish
from rushes.engines.animatic.prompt.words import NEGATIONS, STOP, plain_forms, words
from rushes.engines.animatic.tables import table

Phrase = tuple[str, ...]
COUNTS = {"two": 2, "pair": 2, "couple": 2, "three": 3, "four": 4, "five": 5, "flock": 6, "group": 4, "fleet": 5, "herd": 5}
KINDS = ("place", "time", "weather", "subject", "action", "mood", "look", "colour", "effect")


@cache
def _phrases() -> dict[Phrase, tuple[str, str]]:
    """Every phrase of the lexicon with its kind and name. A phrase may stand in several kinds; the first kind wins."""
    known: dict[Phrase, tuple[str, str]] = {}
    lexicon = table("lexicon")
    for kind in KINDS:
        for name, phrases in lexicon[kind].items():
            for phrase in phrases:
                known.setdefault(tuple(words(phrase)), (kind, name))
    return known


@cache
def _moves() -> dict[Phrase, str]:
    return {tuple(words(phrase)): name for name, row in table("camera").items() for phrase in row["words"]}


@cache
def _plain() -> frozenset[str]:
    return frozenset(table("lexicon")["plain"]["words"])


def _longest(tokens: list[str], at: int, known: dict[Phrase, object] | dict[Phrase, str] | dict[Phrase, tuple[str, str]]) -> int:
    """How many tokens from `at` on make the longest known phrase; the last word may be inflected."""
    for length in range(min(5, len(tokens) - at), 0, -1):
        head = tuple(tokens[at : at + length - 1])
        if any((*head, form) in known for form in plain_forms(tokens[at + length - 1])):
            return length
    return 0


def parse(prompt: str) -> Brief:
    """The brief of a prompt in any script and of any length; never raises."""
    tokens = words(prompt)
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    moves: list[str] = []
    subjects: list[Wish] = []
    without: set[str] = set()
    understood: list[str] = []
    ignored: list[str] = []
    colour: str | None = None
    count = 1
    negated = False
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token in NEGATIONS:
            negated = True
            at += 1
            continue
        if not token[0].isalnum():
            negated, colour, count = False, None, 1
            if _drawable_mark(token):
                ignored.append(token)
            at += 1
            continue
        length = _longest(tokens, at, _moves())
        if length:
            name = _name(tokens[at : at + length], _moves())
            if negated:
                without.add(name)
            elif name not in moves:
                moves.append(name)
            understood.append(" ".join(tokens[at : at + length]))
            at += length
            continue
        length = _longest(tokens, at, _phrases())
        if length:
            phrase = tokens[at : at + length]
            kind, name = _name(phrase, _phrases())
            at += length
            if kind == "colour":
                colour = name
                continue
            understood.append(" ".join(phrase))
            if negated:
                without.add(name)
            elif kind == "subject":
                if any(phrase[-1] == form + "s" for form in plain_forms(phrase[-1])[1:2]) and count == 1:
                    count = 3
                subjects.append(Wish(name, " ".join(phrase), colour, count))
                colour, count = None, 1
            elif name not in found[kind]:
                found[kind].append(name)
            continue
        if token in COUNTS:
            count = COUNTS[token]
        elif token.isdigit():
            count = min(max(int(token[:4]), 1), 9)
        elif _drawable(token):
            ignored.append(token)
        at += 1
    return Brief(
        places=tuple(found["place"]),
        times=tuple(found["time"]),
        weathers=tuple(found["weather"]),
        subjects=tuple(subjects),
        moves=tuple(moves),
        actions=tuple(found["action"]),
        moods=tuple(found["mood"]),
        looks=tuple(found["look"]),
        effects=tuple(found["effect"]),
        without=frozenset(without),
        understood=tuple(dict.fromkeys(understood)),
        ignored=tuple(dict.fromkeys(ignored))[:40],
    )


def _name(phrase: list[str], known: dict[Phrase, object] | dict[Phrase, str] | dict[Phrase, tuple[str, str]]):  # type: ignore[no-untyped-def]
    head = tuple(phrase[:-1])
    return next(known[(*head, form)] for form in plain_forms(phrase[-1]) if (*head, form) in known)


def _drawable(token: str) -> bool:
    """Could this unknown word name something to draw? Without a dictionary: all but function words and -ly, -ing, -ed."""
    if token in STOP or any(form in _plain() for form in plain_forms(token)):
        return False
    return not token.endswith(("ly", "ing", "ed", "ous", "ful", "ic", "ive", "able")) or not token.isascii()


def _drawable_mark(token: str) -> bool:
    """Emoji count as words; punctuation does not."""
    return ord(token[0]) >= 0x2190
