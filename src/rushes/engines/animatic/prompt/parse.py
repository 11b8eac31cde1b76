"""Reading a prompt.

Camera grammar goes first and consumes its words, so that a *drone shot* flies no insect and *pan left* cooks nothing.
Then the lexicon takes the longest phrase at each place, then the dictionary of nouns. Words after *no* or *without*
are what to leave out. A noun that is understood but cannot be drawn yet is listed as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from rushes.engines.animatic.prompt.brief import Brief, Wish
from rushes.engines.animatic.prompt.nouns import is_nothing_to_draw, noun_at, translated
from rushes.engines.animatic.prompt.words import NEGATIONS, STOP, plain_forms, words
from rushes.engines.animatic.tables import table

Phrase = tuple[str, ...]
KINDS = ("place", "time", "weather", "season", "subject", "action", "mood", "look", "colour", "effect")
COUNTS = {
    "two": 2, "pair": 2, "couple": 2, "both": 2, "three": 3, "four": 4, "five": 5, "six": 6, "several": 3, "many": 5,
    "group": 4, "flock": 6, "fleet": 5, "herd": 5, "pod": 4, "school": 6, "swarm": 6,
}  # fmt: skip
TOGETHER = frozenset({"pair", "couple", "group", "flock", "fleet", "herd", "pod", "school", "swarm"})
"""Counts that are nouns themselves unless *of* follows."""
STEADY = frozenset({"place", "subject", "time", "season", "weather"})
"""Kinds whose words are things: "parked" is not a park."""
LIVING = frozenset({"quadruped", "bird", "penguin", "fish", "insect"})
MOST_IGNORED = 40


@cache
def _phrases() -> Mapping[Phrase, str]:
    """Every phrase of the lexicon → "kind:name". A phrase may stand in several kinds; the first kind wins."""
    lexicon = table("lexicon")
    known: dict[Phrase, str] = {}
    for kind in KINDS:
        for name, phrases in lexicon[kind].items():
            for phrase in phrases:
                known.setdefault(tuple(words(phrase)), f"{kind}:{name}")
    return known


@cache
def _moves() -> Mapping[Phrase, str]:
    return {tuple(words(phrase)): name for name, row in table("camera").items() for phrase in row["words"]}


@cache
def _words(kind: str) -> frozenset[str]:
    return frozenset(table("lexicon")[kind]["words"])


def _longest(tokens: list[str], at: int, known: Mapping[Phrase, str]) -> tuple[int, str]:
    """How many tokens from `at` on make the longest known phrase, and what it means; the last may be inflected."""
    for length in range(min(5, len(tokens) - at), 0, -1):
        head = tuple(tokens[at : at + length - 1])
        for form in plain_forms(tokens[at + length - 1]):
            meaning = known.get((*head, form), "")
            done = form != tokens[at + length - 1] and tokens[at + length - 1].endswith(("ing", "ed"))
            if meaning and not (done and meaning.partition(":")[0] in STEADY):
                return length, meaning
    return 0, ""


@dataclass
class _Reading:
    """What has been found so far, and what the words just read say about the next noun."""

    found: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    moves: list[str] = field(default_factory=list)
    implied: list[str] = field(default_factory=list)
    subjects: list[Wish] = field(default_factory=list)
    without: set[str] = field(default_factory=set)
    readings: list[tuple[str, str]] = field(default_factory=list)
    undrawn: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    archetypes: list[str] = field(default_factory=list)
    negated: bool = False
    cooked: bool = False
    behind_noun: bool = False
    colour: str | None = None
    count: int = 1

    def clause(self) -> None:
        """A mark ends what *no*, a colour or a number speak of."""
        self.negated, self.cooked, self.colour, self.count = False, False, None, 1

    def move(self, name: str, said: str) -> None:
        self.readings.append((said, f"camera:{name}"))
        if self.negated:
            self.without.add(name)
        elif name not in self.moves:
            self.moves.append(name)

    def meaning(self, kind: str, name: str, said: str) -> None:
        if kind == "colour":
            self.colour = name
            return
        self.readings.append((said, f"{kind}:{name}"))
        if self.negated:
            self.without.add(name)
        elif kind == "subject":
            self._subject(name, said)
        elif name not in self.found[kind]:
            self.found[kind].append(name)

    def noun(self, archetype: str, said: str) -> None:
        if self.cooked and archetype in LIVING:
            archetype = "food"
        self.cooked = False
        row = table("archetypes")[archetype]
        self.archetypes.append(archetype)
        self.readings.append((said, archetype))
        if self.negated:
            self.without.add(row.get("subject", archetype))
        elif "subject" in row:
            self._subject(row["subject"], said)
        elif "place" in row:
            if row["place"] not in self.implied:
                self.implied.append(row["place"])
        elif not row.get("shown"):
            self.undrawn.append(said)
            self.colour, self.count = None, 1

    def _subject(self, kind: str, said: str) -> None:
        plural = said.endswith("s") and not said.endswith("ss")
        count = self.count if self.count > 1 or not plural else 3
        self.subjects.append(Wish(kind, said, self.colour, count))
        self.colour, self.count = None, 1


def parse(prompt: str) -> Brief:
    """The brief of a prompt in any script and of any length; never raises."""
    tokens = translated(words(prompt))
    reading = _Reading()
    at = 0
    while at < len(tokens):
        at += max(_read(tokens, at, reading), 1)
    found = reading.found
    return Brief(
        places=tuple(found["place"]),
        implied=tuple(reading.implied),
        times=tuple(found["time"]),
        weathers=tuple(found["weather"]),
        season=next(iter(found["season"]), ""),
        subjects=tuple(reading.subjects),
        archetypes=tuple(reading.archetypes),
        moves=tuple(reading.moves),
        actions=tuple(found["action"]),
        moods=tuple(found["mood"]),
        looks=tuple(found["look"]),
        effects=tuple(found["effect"]),
        without=frozenset(reading.without),
        readings=tuple(dict.fromkeys(reading.readings)),
        undrawn=tuple(dict.fromkeys(reading.undrawn))[:MOST_IGNORED],
        ignored=tuple(dict.fromkeys(reading.ignored))[:MOST_IGNORED],
    )


def _read(tokens: list[str], at: int, reading: _Reading) -> int:
    """Read what stands at `at`; how many tokens that was."""
    token = tokens[at]
    behind_noun, reading.behind_noun = reading.behind_noun, False
    if token in NEGATIONS:
        reading.negated = True
        return 1
    if not token[0].isalnum():
        reading.clause()
        # Emoji that no table knows; punctuation is nothing.
        if ord(token[0]) >= 0x2190:
            reading.ignored.append(token)
        return 1
    length, name = _longest(tokens, at, _moves())
    if length:
        reading.move(name, " ".join(tokens[at : at + length]))
        return length
    length, meaning = _longest(tokens, at, _phrases())
    long_noun, archetype = noun_at(tokens, at, behind_noun)
    kind, _, name = meaning.partition(":")
    # "A fly" is an insect, whatever else flies.
    named = kind == "action" and at > 0 and tokens[at - 1] in ("a", "an", "the")
    if length >= max(long_noun, 1) and not (named and long_noun):
        reading.meaning(kind, name, " ".join(tokens[at : at + length]))
        return length
    of = tokens[at + 1 : at + 2] == ["of"]
    if token in COUNTS and not (token in TOGETHER and long_noun and not of):
        reading.count = COUNTS[token]
    elif token.isdigit():
        reading.count = min(max(int(token[:4]), 1), 9)
    elif any(form in _words("plain") for form in plain_forms(token)) or token in STOP:
        return 1
    elif token in _words("cooked"):
        reading.cooked = True
    elif long_noun:
        reading.behind_noun = True
        reading.noun(archetype, " ".join(tokens[at : at + long_noun]))
        return long_noun
    elif not is_nothing_to_draw(token):
        reading.ignored.append(token)
    return 1
