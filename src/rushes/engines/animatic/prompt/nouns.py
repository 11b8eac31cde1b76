"""The long tail of nouns: WordNet's, sorted to archetypes, and emoji names from the world's languages.

The tables are built by `tools/vocabulary.py`; which archetype is drawn by what stands in `data/archetypes.toml`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from rushes.engines.animatic.prompt.words import STOP, plain_forms, words
from rushes.engines.animatic.tables import FOLDER

_BEFORE = (
    "a an the one two three four five his her their its my our your some this that these those of with and"
)
BEFORE_NOUN = frozenset(_BEFORE.split())
"""Words after which a doubtful word is a noun."""


@dataclass(frozen=True)
class Vocabulary:
    """`archetype` of each noun; `shy` ones are more often verbs or adjectives; `either` are adjectives as well; `other`
    words name nothing to draw;
    `english` gives a noun for a name in another language or an emoji; `longest` is the longest such name."""

    archetype: dict[str, str]
    shy: frozenset[str]
    either: frozenset[str]
    other: frozenset[str]
    english: dict[str, str]
    longest: int


@cache
def vocabulary() -> Vocabulary:
    table: dict[str, Any] = json.loads((FOLDER / "nouns.json").read_text(encoding="utf-8"))
    archetype: dict[str, str] = {}
    shy: set[str] = set()
    either: set[str] = set()
    for name, nouns in table["nouns"].items():
        for noun in nouns.split():
            plain = noun.lstrip("~^")
            marks = noun[: len(noun) - len(plain)]
            plain = plain.replace("_", " ")
            archetype[plain] = name
            if "~" in marks:
                shy.add(plain)
            if "^" in marks:
                either.add(plain)
    foreign: dict[str, Any] = json.loads((FOLDER / "names.json").read_text(encoding="utf-8"))
    english = {
        " ".join(words(name)): noun for noun, names in foreign["names"].items() for name in names.split("|")
    }
    english |= foreign["emoji"]
    longest = max((len(name) for name in english if not name.isascii()), default=1)
    return Vocabulary(
        archetype, frozenset(shy), frozenset(either), frozenset(table["other"].split()), english, longest
    )


def noun_at(tokens: list[str], at: int, behind_noun: bool = False) -> tuple[int, str]:
    """How many tokens from `at` on are a known noun, and its archetype; (0, "") if none. `behind_noun` says that the
    token before was read as a noun."""
    known = vocabulary()
    for length in (3, 2, 1):
        if at + length > len(tokens):
            continue
        head = "".join(token + " " for token in tokens[at : at + length - 1])
        for form in plain_forms(tokens[at + length - 1]):
            noun = head + form
            if noun not in known.archetype:
                continue
            # A plural, or a word behind an article, is a noun whatever else it may be. But "the child plays".
            plural = (
                form != tokens[at + length - 1] and tokens[at + length - 1].endswith("s") and not behind_noun
            )
            behind = at > 0 and tokens[at - 1] in BEFORE_NOUN
            if length == 1 and noun in known.either and form == tokens[at] and _names(tokens, at + 1):
                # "A small bowl", "an open hood": it only says what the next noun is like.
                continue
            # "A woman painting a fence".
            doing = behind_noun and tokens[at].endswith("ing") and tokens[at + 1 : at + 2] != ["of"]
            if doing and tokens[at + 1 : at + 2] and tokens[at + 1] in BEFORE_NOUN:
                continue
            inflected = form != tokens[at + length - 1] and tokens[at + length - 1].endswith(("ing", "ed"))
            if (noun in known.shy and not (plural or behind)) or inflected:
                continue
            return length, known.archetype[noun]
    return 0, ""


def _names(tokens: list[str], at: int) -> bool:
    """True when the token at `at` goes on naming a thing: neither the end, nor a mark, a joint or something done."""
    if at >= len(tokens):
        return False
    token = tokens[at]
    return token[0].isalpha() and token not in STOP and not token.endswith(("ing", "ed"))


def translated(tokens: list[str]) -> list[str]:
    """Tokens with names in other languages and emoji replaced by English nouns, which may be phrases; the rest as is.

    Scripts without spaces come as one run: the longest names in it are found from left to right.
    """
    if all(token.isascii() and token in STOP for token in tokens):
        return tokens
    known = vocabulary()
    out: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        pair = " ".join(tokens[at : at + 2])
        if at + 1 < len(tokens) and pair in known.english:
            out += words(known.english[pair])
            at += 2
            continue
        at += 1
        if token in STOP or token in known.archetype or token in known.other:
            out.append(token)
        elif token in known.english:
            out += words(known.english[token])
        elif not token.isascii() and len(token) > 1:
            out += _run(token, known)
        else:
            out.append(token)
    return out


def _run(token: str, known: Vocabulary) -> list[str]:
    """The names inside a run of letters without spaces, or the token itself if there are none."""
    found: list[str] = []
    at = 0
    spaced = any("a" <= c <= "z" or "\u0370" <= c <= "\u06ff" for c in token)
    while at < len(token) and not spaced:
        for length in range(min(known.longest, len(token) - at), 0, -1):
            noun = known.english.get(token[at : at + length])
            if noun:
                found += words(noun)
                at += length
                break
        else:
            at += 1
    return found or [token]


def is_nothing_to_draw(token: str) -> bool:
    """True for common words that are no things: adjectives, verbs, abstract nouns."""
    known = vocabulary()
    return any(form in known.other for form in plain_forms(token)) or any(
        form in known.shy for form in plain_forms(token)
    )
