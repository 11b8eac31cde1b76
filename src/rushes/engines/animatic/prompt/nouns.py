"""The long tail of nouns: WordNet's, sorted to archetypes, and what emoji show.

The tables are built by `tools/vocabulary.py`; which archetype is drawn by what stands in `data/archetypes.toml`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from rushes.engines.animatic.prompt.words import STOP, plain_forms, word_set
from rushes.engines.animatic.tables import FOLDER

BEFORE_NOUN = word_set(
    "a an the one two three four five his her their its my our your some this these those of with another each every "
    "no any"
)
"""Words after which a doubtful word is a noun."""
_PLACED = (
    "in on at from by into onto under over behind beside near through across around between above against for"
)
AFTER_PLACE = frozenset(_PLACED.split())
JOINTS = AFTER_PLACE | word_set(
    "up down out off to through away back along the a an and or of with as so it me us"
)
THROUGH = word_set("through past into onto away toward towards")
"""Where something goes, and nothing stands."""
ALONG = word_set("along across outside over around")
"""Where things stand, too: "stalls along a canal"."""
ONWARDS = THROUGH | ALONG | word_set("up down out off back forward")
"""Where something goes."""
MEANWHILE = word_set("as while how what where")
ONE = word_set("a an one that this another each every")
"""What stands before one thing."""
PRONOUNS = word_set("he she they we you i it who")
DOER = PRONOUNS | word_set("to can will would and or then while as but not")
"""Words after which a doubtful word is something done."""
LIVING = frozenset({"quadruped", "bird", "penguin", "fish", "insect", "snake", "primate", "robot", "person"})
ACTING = LIVING | {"car", "cycle", "boat", "aircraft", "train", "vehicle"}
PLAIN = "plain"
"""What stands for the archetype of "video" and "view", which are nothing in the picture."""
VAGUE = frozenset({"event", "thing", "material", "location", "body"})
MANY = word_set("people men women children police mice geese sheep fish deer cattle")


@dataclass(frozen=True)
class Vocabulary:
    """`archetype` of each noun; `common` ones are met in ordinary texts. `verbs` are more often verbs, `both` often enough,
    `adverbs` more often adjectives or adverbs, `either` are adjectives as well; `adjectives` and `other` words name nothing to draw.
    `emoji` gives a noun for an emoji."""

    archetype: dict[str, str]
    common: frozenset[str]
    verbs: frozenset[str]
    both: frozenset[str]
    adverbs: frozenset[str]
    either: frozenset[str]
    adjectives: frozenset[str]
    other: frozenset[str]
    emoji: dict[str, str]


@cache
def vocabulary() -> Vocabulary:
    table: dict[str, Any] = json.loads((FOLDER / "nouns.json").read_text(encoding="utf-8"))
    archetype: dict[str, str] = {}
    for name, nouns in table["common"].items():
        archetype |= dict.fromkeys(nouns.split("|"), name)
    common = frozenset(archetype)
    for name, nouns in table["rare"].items():
        archetype |= dict.fromkeys(nouns.split("|"), name)
    emoji: dict[str, str] = json.loads((FOLDER / "emoji.json").read_text(encoding="utf-8"))
    return Vocabulary(
        archetype,
        common,
        verbs=frozenset(table["verbs"].split("|")),
        both=frozenset(table["both"].split("|")),
        adverbs=frozenset(table["adverbs"].split("|")),
        either=frozenset(table["either"].split("|")),
        adjectives=word_set(table["adjectives"]),
        other=word_set(table["other"]),
        emoji=emoji,
    )


def noun_at(tokens: list[str], at: int, before: str = "") -> tuple[int, str]:
    """How many tokens from `at` on are a known noun, and its archetype; (0, "") if none. `before` is the archetype of the
    token before, where that was read as a noun."""
    known = vocabulary().archetype
    for length in (3, 2, 1):
        its = tokens[at : at + length]
        if len(its) < length or (
            length > 1 and (not JOINTS.isdisjoint((its[0], its[-1])) or STOP.issuperset(its))
        ):
            # "Exercising at home", "sit in a circle" and "has been" are no at-home, no sit-in and no has-been.
            continue
        head = "".join(token + " " for token in tokens[at : at + length - 1])
        last = tokens[at + length - 1]
        for form in plain_forms(last):
            if head + form not in known:
                continue
            inflected = form != last and last.endswith(("ing", "ed"))
            if not inflected and (length > 1 or _is_noun(tokens, at, form, before)):
                return length, known[head + form]
            if form != last and form in vocabulary().common:
                # Who "marches" is not from the Marche.
                break
    if at >= len(tokens):
        return 0, ""
    name = "" if is_done(tokens, at, before) else made(tokens[at])
    return (1, name) if name else (0, "")


@dataclass(frozen=True)
class _Here:
    """A token that may be a form of `noun`, and its neighbours. `on` is what follows, a mark at the end; `before` the archetype of the
    token before, where that was read as a noun; `plural` says that the token is `noun` with an *s*."""

    tokens: list[str]
    at: int
    noun: str
    before: str
    token: str
    last: str
    on: str
    plural: bool

    @property
    def changes(self) -> bool:
        """Whether the noun may be a verb as well."""
        return self.noun in vocabulary().verbs or self.noun in vocabulary().both

    @property
    def several(self) -> bool:
        """Whether the noun before is a plural."""
        return bool(self.before) and _is_plural(self.last)


def _is_noun(tokens: list[str], at: int, noun: str, before: str) -> bool:
    """True when the token at `at`, which may be a form of `noun`, is a noun here."""
    known = vocabulary()
    token, last = tokens[at], tokens[at - 1] if at else ","
    on = tokens[at + 1] if at + 1 < len(tokens) else ","
    here = _Here(tokens, at, noun, before, token, last, on, noun != token and token.endswith("s"))
    if _is_surely_done(here) or _is_other(here) or (noun == token and _describes(tokens, at)):
        return False
    if last in BEFORE_NOUN or last.endswith("'s") or on == "of" or last in known.adjectives:
        return True
    if noun in known.adverbs and noun not in known.verbs:
        return here.plural
    if noun == token and not before and noun in known.either and noun not in known.common:
        # "Hypnotic" is no drug.
        return False
    if _is_likely_done(here):
        return False
    return noun not in known.verbs or _stands_as_noun(here)


def _is_other(here: _Here) -> bool:
    """True when the token is a noun as it stands, but here a form of another: "twin tails" are no tail coat, "snow falls" is no
    waterfall, and who "steps out" is no stair."""
    known = vocabulary()
    ones = plain_forms(here.token)[1:] if here.noun == here.token and here.token.endswith("s") else []
    goes = is_done(here.tokens, here.at, here.before) or (here.before and here.on in THROUGH)
    return any(
        (one in known.archetype and one in known.common and here.token not in known.common)
        or (here.before and one in known.verbs)
        or (one in known.both and goes)
        for one in ones
    )


def _is_surely_done(here: _Here) -> bool:
    """True when the token is something done, whatever stands before it."""
    known = vocabulary()
    determined = here.on in BEFORE_NOUN - {"of", "with"}
    if here.before and determined:
        # "A woman painting a fence", "waves batter the ship".
        return True
    acts = here.noun != here.token and here.before in ACTING and _agrees(here.tokens, here.at)
    if acts and (_is_adverb(here.on) or noun_at(here.tokens, here.at + 1)[0]):
        # "A gardener waters tomatoes", "a man gestures wildly".
        return True
    ones = plain_forms(here.token)[1:] if here.token.endswith("s") and here.on[0].isalnum() else []
    if here.before and any(one in known.archetype for one in ones) and _is_one(here.tokens, here.at - 1):
        # "A rooster shelters under a roof".
        return True
    if here.noun in known.verbs and here.token.endswith("ing") and _names(here.tokens, here.at + 1):
        # "A burning house".
        return True
    return here.changes and (
        # "To shield from the sun".
        (here.last == "to" and here.on in BEFORE_NOUN | AFTER_PLACE)
        # "Lightly blows".
        or _is_adverb(here.last)
        # "A bridge that crosses", "climbs vertically", "the lion, crowned, surveys his land".
        or (
            here.plural
            and (here.last in ONE or _is_adverb(here.on) or (determined and not here.last[0].isalnum()))
        )
    )


def _is_likely_done(here: _Here) -> bool:
    """True when the token is something done if nothing before it says that a noun comes."""
    known = vocabulary()
    if here.token.endswith("ing") and here.before:
        # "Laser beams crossing".
        if here.several:
            return True
        stems = plain_forms(here.token)[1:]
        doing = any(form in known.verbs or form in known.both for form in stems)
        goes_on = here.on in BEFORE_NOUN or _names(here.tokens, here.at + 1)
        if doing and goes_on and here.before in LIVING:
            # "A hedgehog crossing roads".
            return True
    if here.several and here.changes and (here.noun == here.token or here.plural):
        # "Ink drops bloom", "the one with big eyes frolics".
        return True
    if here.changes and is_done(here.tokens, here.at, here.before):
        return True
    # "Rain streaks down the glass", "a flock flutters past".
    goes = here.plural and here.before and here.on in ONWARDS - ALONG
    return here.noun in known.both and bool(goes)


def _stands_as_noun(here: _Here) -> bool:
    """True when a token that is more often a verb is a noun all the same."""
    known = vocabulary()
    if here.last in DOER:
        return False
    happens = known.archetype[here.noun] == "event"
    ends = not here.on[0].isalnum()
    if here.token.endswith("ing"):
        # "Porch railing", but "laundry hanging on a line".
        thing = known.archetype[here.noun] not in VAGUE
        return ends and bool(here.before) and here.before not in LIVING and thing
    single = here.before and not here.several and here.token not in known.archetype
    if here.plural and (here.on in ONWARDS | MEANWHILE or (here.before and here.on in JOINTS) or single):
        # "A leaf falls into the river", "unfolds and flies away", "smoke drifts".
        return False
    if (
        (here.plural and not (happens and here.last[0].isalnum()))
        or here.last in AFTER_PLACE
        or (here.before and not here.plural and here.last not in MANY and not here.last.endswith("s"))
    ):
        # "Soap bubbles", "in paint"; and "dog food", for the dog would have to be many to do it.
        return True
    if here.on.endswith("ing"):
        return not happens
    # "Steam, gears", "forge interior", but "play".
    ends = ends or (here.noun != here.token and here.on in AFTER_PLACE) or here.on not in STOP
    return not here.last[0].isalnum() and ends and not happens and known.archetype[here.noun] != "person"


def _is_one(tokens: list[str], at: int) -> bool:
    """True when the noun that ends at `at` is one of its kind, as *a* in front of it says."""
    first = at
    while first >= 0 and tokens[first][0].isalnum() and tokens[first] not in STOP:
        done = first < at and tokens[first].endswith(("s", "ing", "ed")) and tokens[first - 1] not in ONE
        if done or tokens[first].endswith("'s"):
            # "A girl blows dandelion seeds".
            return False
        first -= 1
    return first >= 0 and tokens[first] in ONE - {"that", "this"} and not _is_plural(tokens[at])


def _is_plural(token: str) -> bool:
    """True for *lights* and *people*, but not for *circus* or *glass*."""
    known = vocabulary().archetype
    ends = token.endswith("s") and not token.endswith("ss")
    return token in MANY or (ends and any(form in known for form in plain_forms(token)[1:]))


def is_done(tokens: list[str], at: int, before: str) -> bool:
    """True when somebody who was just named does what the token at `at` says: "the child plays", "people wave"."""
    if before not in LIVING and before != PLAIN:
        return False
    return _agrees(tokens, at)


def _agrees(tokens: list[str], at: int) -> bool:
    """True when the token at `at` has the form of what the one before it does: "a boat sails", "boats sail"."""
    ends = tokens[at].endswith("s") and not tokens[at].endswith("ss")
    return ends != _is_plural(tokens[at - 1])


def _is_adverb(token: str) -> bool:
    """True for *lightly*, but not for *lovely* or *lily*."""
    known = vocabulary()
    return token.endswith("ly") and token not in known.adjectives and token not in known.archetype


def _is_like(token: str) -> bool:
    """True for what may be an adjective."""
    known = vocabulary()
    if any(token in words for words in (known.adjectives, known.adverbs, known.either)):
        return True
    return token.endswith(("ing", "ed")) and any(map(is_known, plain_forms(token)[1:]))


def _describes(tokens: list[str], at: int) -> bool:
    """True when the token at `at` only says what a noun behind it is like: "a small bowl", "a small, round, shining bowl"."""
    known = vocabulary()
    if tokens[at] not in known.either and tokens[at] not in known.adverbs:
        return False
    if tokens[at] in known.either and _names(tokens, at + 1):
        return True
    end = at + 1
    if tokens[at] not in known.adverbs and end < len(tokens) and tokens[end].endswith(("ing", "ed")):
        # "A brunette looking at flowers".
        return False
    while end < len(tokens) and (tokens[end] in (",", "and") or _is_like(tokens[end])):
        end += 1
    return end > at + 1 and _names(tokens, end) and not _is_adverb(tokens[end])


def _names(tokens: list[str], at: int) -> bool:
    """True when the token at `at` goes on naming a thing: neither the end, nor a mark, a joint or something done."""
    if at >= len(tokens):
        return False
    token = tokens[at]
    known = vocabulary()
    stem = token.removesuffix("ing").removesuffix("ed")
    thing = token in known.common and token not in known.verbs
    done = (
        stem != token
        and not thing
        and any(is_known(form) for form in plain_forms(token)[1:] if len(form) > 2)
    )
    if not token[0].isalpha() or token in STOP or done:
        return False
    if token.endswith("s") and token not in known.archetype:
        return any(form in known.archetype and form not in known.verbs for form in plain_forms(token))
    return True


def made(token: str) -> str:
    """The archetype of a word that no dictionary has but that is made of words it has: who does something is a person
    (*kayaker*), what is put together is what its end says (*sandcastle*)."""
    known = vocabulary()
    if token.endswith(("ing", "ed")) or not token.isascii():
        return ""
    for form in plain_forms(token):
        if is_known(form):
            return ""
        for ending in ("er", "ist"):
            stem = form.removesuffix(ending)
            if stem != form and len(stem) > 3 and any(is_known(s) for s in (stem, stem + "e", stem[:-1])):
                return "person"
        for cut in range(3, len(form) - 3):
            head = form[cut:]
            if head in known.common and head not in known.adverbs and is_known(form[:cut]):
                return known.archetype[head]
    return ""


def is_known(word: str) -> bool:
    """True for words of the English dictionary as they stand."""
    known = vocabulary()
    return word in known.archetype or word in known.other or word in known.adjectives


def is_derived(token: str) -> bool:
    """True for what says what something is like by a word of the dictionary: *pointy*, *greenish*, *catlike*."""
    return any(
        token.endswith(ending) and token.removesuffix(ending) in vocabulary().common
        for ending in ("y", "ish", "like", "less", "ful", "ly")
    )


def is_nothing_to_draw(token: str) -> bool:
    """True for common words that are no things: adjectives, verbs, abstract nouns."""
    known = vocabulary()
    if is_derived(token):
        return True
    forms = plain_forms(token)
    if token.endswith(("s", "ing", "ed")) and any(form in known.archetype for form in forms[1:]):
        # What is no noun here is something that is done.
        return True
    return any(
        form in words
        for words in (known.other, known.adjectives, known.verbs, known.both, known.adverbs, known.either)
        for form in forms
    )


def is_adjective(token: str) -> bool:
    known = vocabulary()
    return token in known.adjectives or token in known.adverbs
