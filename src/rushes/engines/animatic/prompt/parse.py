"""Reading a prompt.

Camera grammar goes first and consumes its words, so that a *drone shot* flies no insect and *pan left* cooks nothing; but
a *frying pan* pans nothing. Then the lexicon takes the longest phrase at each place, then the dictionary of nouns. Words after *no* or *without*
are what to leave out. A noun that is understood but cannot be drawn yet is listed as such.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from rushes.engines.animatic.prompt.brief import Brief, Wish
from rushes.engines.animatic.prompt.languages import translated
from rushes.engines.animatic.prompt.nouns import (
    AFTER_PLACE,
    BEFORE_NOUN,
    LIVING,
    ONWARDS,
    PLAIN,
    PRONOUNS,
    is_adjective,
    is_done,
    is_nothing_to_draw,
    noun_at,
)
from rushes.engines.animatic.prompt.words import NEGATING, NEGATIONS, STOP, plain_forms, word_set, words
from rushes.engines.animatic.tables import table

Phrase = tuple[str, ...]
Meanings = tuple[str, ...]
KINDS = (
    "place", "time", "weather", "season", "subject", "action", "mood", "look", "colour", "effect", "technique", "style",
)  # fmt: skip
COUNTS = {
    "two": 2, "pair": 2, "couple": 2, "both": 2, "three": 3, "trio": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "twenty": 20, "dozen": 12, "dozens": 24, "hundred": 100,
    "hundreds": 100, "thousand": 1000, "thousands": 1000, "several": 3, "few": 3, "many": 5, "group": 4, "flock": 6,
    "fleet": 5, "herd": 5, "pod": 4, "school": 6, "swarm": 6, "bunch": 4, "pack": 5, "pride": 4, "row": 4, "line": 4,
    "crowd": 8, "numerous": 5, "countless": 20, "multiple": 3,
}  # fmt: skip
TOGETHER = word_set(
    "pair couple group flock fleet herd pod school swarm bunch pack pride row line crowd trio"
)
"""Counts that are nouns themselves unless *of* follows."""
STEADY = frozenset({"place", "subject", "time", "season", "weather"})
"""Kinds whose words are things: "parked" is not a park."""
NAMED = {"place": "location", "weather": "event", "time": "event", "season": "event", "effect": "event"}
"""The archetypes of what phrases name, for the word behind them."""
NAME = "name"
"""What stands for the archetype of a word that nobody knows, most likely somebody's name."""
UNDRAWN = frozenset({"technique", "style"})
"""Kinds that are understood, but change nothing yet."""
EATEN = frozenset({"quadruped", "bird", "penguin", "fish", "insect"})
FILMED = word_set("camera photo photograph picture film movie image video frame lens")
"""Words for the picture itself, unless somebody has one: "a man with a camera"."""
SHADES = word_set("in and is are warm deep bright dark light pale soft burnt vivid rich")
"""Words after which a colour is a colour, though a fruit may be called so."""
GOING = word_set("move push pull slide walk circle rotate spin revolve follow")
FRAMED = word_set("shot view camera")
OWN = word_set("a an his her their my its old vintage digital")
PACES = word_set("slow quick fast smooth gentle steady sweeping dramatic long subtle rapid")
TOWARDS = word_set("to the towards toward")
MANNERS = word_set("slowly smoothly steadily gradually")
"""How something moves: not drawn, and in the middle of phrases ("the camera moves slowly forward")."""
GOES = word_set("from across over along left right up down around through toward towards out back shot view")
MOST_IGNORED = 40


@cache
def _phrases() -> Mapping[Phrase, Meanings]:
    """Every phrase of the lexicon → its "kind:name", in the order of the kinds."""
    lexicon = table("lexicon")
    known: dict[Phrase, Meanings] = {}
    for kind in KINDS:
        for name, phrases in lexicon[kind].items():
            for phrase in phrases:
                said = tuple(words(phrase))
                known[said] = (*known.get(said, ()), f"{kind}:{name}")
    return known


@cache
def _moves() -> Mapping[Phrase, Meanings]:
    return {tuple(words(phrase)): (name,) for name, row in table("camera").items() for phrase in row["words"]}


@cache
def _phrase_words() -> frozenset[str]:
    """Every word that the camera grammar or the lexicon has."""
    said = {word for phrase in (*_phrases(), *_moves()) for word in phrase}
    return frozenset(said | _words("plain") | _words("cooked") | COUNTS.keys())


@cache
def _idioms() -> frozenset[Phrase]:
    """Every phrase of the camera grammar or the lexicon that has more than one word."""
    return frozenset(phrase for phrase in (*_phrases(), *_moves()) if len(phrase) > 1)


@cache
def _words(kind: str) -> frozenset[str]:
    return frozenset(table("lexicon")[kind]["words"])


def _longest(tokens: list[str], at: int, known: Mapping[Phrase, Meanings]) -> tuple[int, Meanings]:
    """How many tokens from `at` on make the longest known phrase, and what it means; the last may be inflected."""
    for length in range(min(5, len(tokens) - at), 0, -1):
        head = tuple(tokens[at : at + length - 1])
        for form in plain_forms(tokens[at + length - 1]):
            meanings = known.get((*head, form), ())
            done = form != tokens[at + length - 1] and tokens[at + length - 1].endswith(("ing", "ed"))
            if meanings and not (done and meanings[0].partition(":")[0] in STEADY):
                return length, meanings
    return 0, ()


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
    before: str = ""
    colour: str | None = None
    count: int = 1

    def clause(self) -> None:
        """A mark ends what *no*, a colour or a number speak of."""
        self.negated, self.cooked, self.colour, self.count = False, False, None, 1

    def counted(self, count: int, said: str) -> None:
        self.readings.append((said, f"count:{count}"))
        self.count = max(self.count, count)

    def move(self, name: str, said: str) -> None:
        self.readings.append((said, f"camera:{name}"))
        if self.negated:
            self.without.add(name)
        elif name not in self.moves:
            self.moves.append(name)

    def meaning(self, meaning: str, said: str) -> None:
        kind, _, name = meaning.partition(":")
        self.readings.append((said, meaning))
        if kind == "colour":
            self.colour = name
        elif self.negated:
            self.without.add(name)
        elif kind == "subject":
            self._subject(name, said)
        elif name not in self.found[kind]:
            self.found[kind].append(name)
            if kind in UNDRAWN:
                self.undrawn.append(said)

    def noun(self, archetype: str, said: str) -> None:
        if self.cooked and archetype in EATEN:
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
    pairs = [pair for pair in translated(prompt, _phrase_words(), _idioms()) if pair[0] not in MANNERS]
    tokens = [token for token, _ in pairs]
    reading = _Reading()
    sayings = [said for _, said in pairs]
    english: set[str] = set()
    at = 0
    while at < len(tokens):
        known = len(reading.readings)
        length = _read(tokens, sayings, at, reading)
        if len(reading.readings) > known:
            english.update(tokens[at : at + length])
        at += length
    found = reading.found
    # There is one hour in a picture: of "night" and "noon" the first.
    reading.undrawn += [
        said for said, kind in reading.readings if kind in [f"time:{name}" for name in found["time"][1:]]
    ]
    return Brief(
        places=tuple(found["place"]),
        implied=tuple(dict.fromkeys(reading.implied)),
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
        english=frozenset(english),
        undrawn=tuple(dict.fromkeys(reading.undrawn))[:MOST_IGNORED],
        ignored=tuple(dict.fromkeys(reading.ignored))[:MOST_IGNORED],
    )


def _read(tokens: list[str], sayings: list[str], at: int, reading: _Reading) -> int:
    """Read what stands at `at`; how many tokens that was."""
    token = tokens[at]
    before, reading.before = reading.before, ""

    def said(length: int) -> str:
        return " ".join(dict.fromkeys(filter(None, sayings[at : at + length])))

    if token in NEGATIONS or tuple(tokens[at : at + 2]) in NEGATING:
        reading.negated = True
        return 1 if token in NEGATIONS else 2
    if token in AFTER_PLACE or token == "with":
        # "No cars on the road" leaves the road.
        reading.negated = reading.negated and not before
    if not token[0].isalnum():
        reading.clause()
        # Emoji that no table knows; punctuation is nothing.
        if unicodedata.category(token[0]).startswith("S"):
            reading.ignored.append(sayings[at])
        return 1
    if _is_figure(tokens, at):
        return 1
    length, meant = _longest(tokens, at, _moves())
    long_noun, archetype = noun_at(tokens, at, before)
    if token in _words("grown") and (grown := noun_at(tokens, at + 1, "person"))[1] in LIVING:
        long_noun, archetype = 1 + grown[0], grown[1]
    length = length if length >= _longest(tokens, at, _phrases())[0] else 0
    thing = length < long_noun or (
        length == 1 and long_noun and archetype != "event" and _is_thing(tokens, at, before)
    )
    if length and not thing and not _is_going(tokens, at, length, before):
        phrase = tuple(tokens[at : at + length])
        further, name = _directed(tokens, at + length, meant[0])
        length += further
        reading.move(name, said(length))
        # "Bullet time" is a move and a pace.
        for meaning in _phrases().get(phrase, ()):
            reading.meaning(meaning, said(length))
        return length
    length, meant = _longest(tokens, at, _phrases())
    kind, _, name = meant[0].partition(":") if meant else ("", "", "")
    if length == 1 and long_noun <= 1 and kind in STEADY and _is_said_of(tokens, at, before):
        length = 0
    if kind == "colour" and long_noun and _stands(tokens, at + length):
        # "Two oranges", "an orange on a plate"; but "dressed in orange".
        length = length if (at and tokens[at - 1] in SHADES) or _is_among_colours(tokens, at) else 0
    # "A fly" is an insect, whatever else flies.
    named = kind == "action" and at > 0 and tokens[at - 1] in ("a", "an", "the")
    if length and length >= max(long_noun, 1) and not (named and long_noun):
        for meaning in meant:
            reading.meaning(meaning, said(length))
        reading.before = name if kind == "subject" else NAMED.get(kind, "")
        return length
    if token in table("lexicon")["alone"] and long_noun < 2 and _is_alone(tokens, at):
        reading.meaning(table("lexicon")["alone"][token], said(1))
        return 1
    of = tokens[at + 1 : at + 2] == ["of"]
    if (token == "can" and (of or tokens[at - 1 : at] in (["a"], ["the"]))) or (token == "glasses" and of):
        reading.noun("tableware", said(1))
        return 1
    if token in COUNTS and not (token in TOGETHER and long_noun and not of):
        reading.counted(COUNTS[token], said(1))
    elif token.isdecimal() and not before:
        reading.counted(min(max(int(token[:4]), 1), 1000), said(1))
    elif token in FILMED and long_noun and at > 1 and tokens[at - 1] in OWN and not of:
        reading.noun(archetype, said(1))
    elif (
        (token in _words("plain") and long_noun < 2)
        or (token in STOP and not long_noun > 1)
        or (not long_noun and any(form in _words("plain") for form in plain_forms(token)))
    ):
        reading.before = PLAIN if token not in STOP else ""
        return 1
    elif token in _words("cooked"):
        reading.cooked = True
    elif token in _words("stuff") and long_noun == 1 and noun_at(tokens, at + 1)[0]:
        reading.noun("material", said(1))
    elif long_noun:
        reading.before = archetype
        reading.noun(archetype, said(long_noun))
        # A kitchen table stands in a kitchen.
        for meaning in _phrases().get((token,), ()) if long_noun > 1 else ():
            if meaning.startswith("place:") and not reading.negated:
                reading.implied.insert(0, meaning.removeprefix("place:"))
        return long_noun
    elif not is_nothing_to_draw(token):
        reading.ignored.append(sayings[at])
        reading.before = NAME
    return 1


def _is_figure(tokens: list[str], at: int) -> bool:
    """True when the word at `at` is only the shape or the amount of what *of* joins to it: "a sea of clouds", but "the Sea of
    Japan" and "the wall of a house"."""
    if tokens[at + 1 : at + 2] != ["of"] or _words("figure").isdisjoint(plain_forms(tokens[at])):
        return False
    for k in range(at + 2, min(at + 5, len(tokens))):
        if tokens[k] in BEFORE_NOUN or not tokens[k][0].isalnum():
            return False
        length, archetype = noun_at(tokens, k)
        if length:
            return archetype not in ("location", "street")
        if kinds := {meaning.partition(":")[0] for meaning in _longest(tokens, k, _phrases())[1]} - {
            "colour"
        }:
            return not kinds.isdisjoint(STEADY)
    return False


def _is_said_of(tokens: list[str], at: int, before: str) -> bool:
    """True when a word that names a place or a weather says what somebody or something does: "people wave", "as they
    sail", "honey drizzles onto a plate"."""
    if at and tokens[at - 1] in PRONOUNS:
        return True
    if tokens[at].endswith("ing") and before and before not in NAMED.values():
        return True
    goes = before and tokens[at].endswith("s") and tokens[at + 1 : at + 2] and tokens[at + 1] in ONWARDS
    return bool(goes) or is_done(tokens, at, before)


def _stands(tokens: list[str], at: int) -> bool:
    """True when no noun stands at `at` that a colour could be of."""
    if at >= len(tokens) or not tokens[at][0].isalnum() or tokens[at] in STOP:
        return True
    return (
        not noun_at(tokens, at)[0]
        and not _longest(tokens, at, _phrases())[0]
        and not is_adjective(tokens[at])
    )


def _is_among_colours(tokens: list[str], at: int) -> bool:
    """True in a list of colours: "oranges, reds and yellows"."""
    around = tokens[max(at - 3, 0) : at] + tokens[at + 1 : at + 4]
    colours = [_longest([word], 0, _phrases())[1] for word in around]
    return any(meant[:1] and meant[0].startswith("colour:") for meant in colours) and not {
        ",",
        "and",
    }.isdisjoint(around)


def _is_alone(tokens: list[str], at: int) -> bool:
    """True when the word at `at` says nothing of a thing before or behind it."""
    return _stands(tokens, at + 1) and (
        at == 0 or not tokens[at - 1][0].isalnum() or tokens[at - 1] in ("and", "a")
    )


def _is_thing(tokens: list[str], at: int, before: str) -> bool:
    """True when a single word of the camera grammar names a thing: "a crane", "frying pan", "drones"; but "slow pan"
    and "a pan across"."""
    last, following = tokens[at - 1] if at else ",", tokens[at + 1 : at + 2]
    if last in PACES or (following and following[0] in GOES):
        return False
    return last in BEFORE_NOUN or bool(before) or is_adjective(last)


def _is_going(tokens: list[str], at: int, length: int, before: str) -> bool:
    """True when words of the camera grammar say what a thing does: "satellites orbit the earth", "a hawk circling over a
    field", "the train pulls away"."""
    if tokens[at] == "overhead" and at and tokens[at - 1][0].isalnum() and _stands(tokens, at + length):
        # "Gulls circle overhead".
        return True
    if before in ("", PLAIN):
        return False
    if length > 1:
        return not GOING.isdisjoint(plain_forms(tokens[at])) and FRAMED.isdisjoint(tokens[at : at + length])
    return tokens[at].endswith(("ing", "s")) or BEFORE_NOUN.issuperset(tokens[at + 1 : at + 2] or ",")


def _directed(tokens: list[str], at: int, name: str) -> tuple[int, str]:
    """Where a move goes may stand behind it: "a slow pan to the left", "tracking shot from right to left". How many tokens
    from `at` on say so, and the move."""
    end = at
    if tokens[at : at + 1] == ["from"] and tokens[at + 2 : at + 3] == ["to"]:
        end = at + 2
    while end < len(tokens) and end < at + 4 and tokens[end] in TOWARDS:
        end += 1
    other = " ".join((name.rpartition(" ")[0], *tokens[end : end + 1]))
    return (end + 1 - at, other) if other in table("camera") else (0, name)
