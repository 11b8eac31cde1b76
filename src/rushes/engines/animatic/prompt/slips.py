"""Slips of the pen: one letter too many, too few, wrong or exchanged with its neighbour."""

from __future__ import annotations

from collections.abc import Collection

from rushes.engines.animatic.prompt.nouns import VAGUE, is_derived, made, vocabulary
from rushes.engines.animatic.prompt.words import plain_forms

LONG = 8
"""From this length on a word with two slips can still be told."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def mended(token: str, phrases: Collection[str]) -> str:
    """`token` with one letter too many, too few, wrong or exchanged put right, if that makes a common word, or two, if that
    makes a long one of the engine's own; else as is."""
    if not (token.isascii() and token.isalpha() and 5 <= len(token) < 3 * LONG):
        return token
    if made(token) or is_derived(token):
        return token
    known = vocabulary()
    parts = [(token[:k], token[k:]) for k in range(len(token) + 1)]
    near = [a + b[1] + b[0] + b[2:] for a, b in parts if len(b) > 1]
    near += [a + b[1:] for a, b in parts if b]
    near += [a + c + b[1:] for a, b in parts if b for c in LETTERS]
    near += [a + c + b for a, b in parts for c in LETTERS]
    # Few slip at the first letter.
    near = [word for word in near if word[0] == token[0]]
    for word in near:
        if any(form in phrases for form in plain_forms(word)):
            return word
    for word in near:
        for form in plain_forms(word):
            if form in known.common and known.archetype[form] not in VAGUE:
                return word
    if len(token) < LONG:
        return token
    near = [word for word in phrases if word[0] == token[0] and _slips(word, token) <= 2]
    return near[0] if len(near) == 1 else token


def _slips(word: str, token: str) -> int:
    """How many letters are too many, too few, wrong or exchanged with their neighbour; three for more."""
    if abs(len(word) - len(token)) > 2:
        return 3
    before: list[int] = []
    last = list(range(len(token) + 1))
    for i, letter in enumerate(word, 1):
        row = [i]
        for j, other in enumerate(token, 1):
            least = min(row[j - 1] + 1, last[j] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == token[j - 2] and word[i - 2] == other:
                least = min(least, before[j - 2] + 1)
            row.append(least)
        before, last = last, row
    return min(last[-1], 3)
