"""Whose words a prompt's words are, and what they are in English.

The script of a word says which languages it may be of, and the words around it which of them it is: a clause is of that
language that has most of them, its small words counting double. Only a clause with words strange to English is asked about, so
that an English prompt loads none of this. In a clause of another language English words are left that are idioms of our own
tables (*drone shot*) or long enough to be the same everywhere (*skateboard*).

The words are those of `data/languages.toml`, written by hand, and behind them the keywords of emoji in `data/names.json`. What is not
found as it stands is tried without its endings, article or apostrophe, as a compound, and, in scripts without spaces, by its longest
known parts.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from rushes.engines.animatic.prompt.nouns import is_derived, is_known, vocabulary
from rushes.engines.animatic.prompt.slips import mended
from rushes.engines.animatic.prompt.words import (
    NEGATIONS,
    STOP,
    bare,
    names,
    plain_forms,
    spoken,
    word_set,
    words,
)
from rushes.engines.animatic.tables import FOLDER, table

Pair = tuple[str, str]
SMALL = word_set("the and or with without no in on at over under of through that two three many")
"""Keys of `languages.toml` whose words hold a sentence together: they tell a language better than nouns do."""
ENGLISH = STOP | NEGATIONS
BORROWED = word_set("le la les de des du del der das den dem el los las il lo un una und mit et con")
"""Words that an English dictionary has, but that nobody says in English."""
UNSPACED = frozenset({"HAN", "THAI", "LAO", "KHMER", "MYANMAR"})
COGNATE = 6
"""From this length on an English word in another language is taken for the same word: *restaurant*, but not *coin*. A letter
less will do for words of our own tables: *yacht*."""
SHORTEST = {"LATIN": 3, "HANGUL": 1}
"""How many letters at least are left when an ending is taken off, for each script; two in others."""
SAMPLE = 60
"""So many words tell a prompt's language."""
FOREIGN = "·"
"""Behind a word that English has too, but that is another language's: no dictionary has it then."""
_SCRIPTS = {
    "CJK": "HAN",
    "HIRAGANA": "HAN",
    "KATAKANA": "HAN",
    "KATAKANA-HIRAGANA": "HAN",
    "IDEOGRAPHIC": "HAN",
}


@dataclass(frozen=True)
class Language:
    """`words` are its words with their English, `own` those written by hand; the rest is as in `languages.toml`."""

    words: dict[str, str]
    own: frozenset[str]
    longest: int
    endings: tuple[str, ...]
    bases: tuple[str, ...]
    fronts: tuple[str, ...]
    joins: bool
    elides: bool
    after: bool


@cache
def _keywords() -> dict[str, dict[str, str]]:
    """{language: {English noun: "word|word …"}}, built by `tools/vocabulary.py`."""
    rows: dict[str, dict[str, str]] = json.loads((FOLDER / "names.json").read_text(encoding="utf-8"))
    return rows


@cache
def language(code: str) -> Language:
    row: dict[str, Any] = table("languages").get(code, {})
    keywords = {word: noun for noun, names in _keywords().get(code, {}).items() for word in names.split("|")}
    own: dict[str, str] = {}
    for english, forms in row.items():
        if isinstance(forms, str) and english not in ("endings", "bases", "fronts"):
            for form in forms.split():
                own.setdefault(" ".join(words(form.replace("_", " "))), english)
    by_length = sorted(row.get("endings", "").casefold().split(), key=len, reverse=True)
    return Language(
        words=keywords | own,
        own=frozenset(own),
        longest=max(map(len, keywords | own)),
        endings=tuple(by_length),
        bases=tuple(base.strip("-") for base in row.get("bases", "-").casefold().split()),
        fronts=tuple(row.get("fronts", "").split()),
        joins=row.get("joins", False),
        elides=row.get("elides", False),
        after=row.get("after", False),
    )


@cache
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "?").split()[0]
    return _SCRIPTS.get(name, name)


@cache
def _codes(script: str) -> tuple[str, ...]:
    """The languages written in a script, those that `languages.toml` has first."""
    by_hand = table("languages")
    return tuple(
        code
        for code in (*by_hand, *(code for code in _keywords() if code not in by_hand))
        if any(_script(names[0]) == script for names in islice(_keywords().get(code, {}).values(), 60))
    )


def _plain(word: str, its: Language) -> str:
    """The word of a language that `word` is or is a form of; "" if none."""
    if word in its.words:
        return word
    if its.elides and "'" in word:
        return _plain(word.rpartition("'")[2], its)
    least = SHORTEST.get(_script(word[0]), 2)
    for front in ("", *its.fronts):
        rest = word.removeprefix(front)
        if len(rest) < least or (front and rest == word):
            continue
        if rest in its.words:
            return rest
        for ending in its.endings:
            stem = rest.removesuffix(ending)
            if stem == rest or len(stem) < least:
                continue
            for base in its.bases:
                if stem + base in its.words and its.words[stem + base] not in SMALL:
                    return stem + base
    return ""


def _compound(word: str, its: Language) -> list[str]:
    """The known parts of a word that is put together: its head, and what stands before it where that is known too."""
    for cut in range(3, len(word) - 2) if its.joins else ():
        head = _plain(word[cut:], its)
        if not head or its.words[head] in SMALL:
            continue
        for joint in ("", "s", "n", "en", "es"):
            first = word[:cut].removesuffix(joint)
            if first in its.words and its.words[first] not in SMALL:
                return [first, head]
        if len(head) >= (4 if head in its.own else 5):
            return [head]
    return []


def _parts(run: str, its: Language) -> Iterator[tuple[str, bool]]:
    """A run of letters without spaces, cut into its longest known words and what lies between; which are known."""
    at = rest = 0
    while at < len(run):
        for length in range(min(its.longest, len(run) - at), 0, -1):
            word = run[at : at + length]
            # One sign may be a word or a piece of any other: only by hand.
            if word in its.words and (length > 1 or word in its.own):
                if rest < at:
                    yield run[rest:at], False
                yield word, True
                at = rest = at + length
                break
        else:
            at += 1
    if rest < at:
        yield run[rest:], False


def _found(tokens: list[str], at: int, its: Language) -> tuple[int, list[str]]:
    """How many tokens from `at` on are words of a language, and which."""
    for length in (4, 3, 2):
        parts = tokens[at : at + length]
        joined = " ".join(parts)
        # What each word says by itself is more than what an emoji of them is called: snowy mountains.
        if len(parts) == length and (
            joined in its.own or (joined in its.words and not its.own.issuperset(parts))
        ):
            return length, [joined]
    token = tokens[at].replace("i\u0307", "i")
    if _script(token[0]) in UNSPACED:
        return 1, [part for part, known in _parts(token, its) if known]
    word = _plain(token, its)
    return 1, [word] if word else _compound(token, its)


def _weight(small: str) -> float:
    """How much a small word tells: one or two letters are a word in too many languages."""
    return 2.0 if len(small) > 2 or not small.isascii() else 1.0


def _score(tokens: list[str], its: Language) -> float:
    """How much of a clause is of a language."""
    score, at = 0.0, 0
    while at < len(tokens):
        length, found = _found(tokens, at, its)
        for word in found:
            small = its.words[word] in SMALL
            as_said = word == " ".join(tokens[at : at + length])
            spaced = _script(word[0]) not in UNSPACED
            score += (
                len(word) if not spaced else length * (_weight(word) if small else 1.0 if as_said else 0.75)
            )
        at += length
    return score


def _is_common(token: str, phrases: Container[str]) -> bool:
    """True for a word that is met in ordinary English texts."""
    known = vocabulary()
    return token in ENGLISH or (
        token not in BORROWED
        and any(
            form in phrases or form in known.common or form in known.other or form in known.adjectives
            for form in plain_forms(token)
        )
    )


def _is_paired(tokens: list[str], at: int) -> bool:
    """True for words that English has only together: Sri Lanka, kung fu."""
    return any(is_known(" ".join(tokens[k : k + 2])) for k in (at - 1, at) if k >= 0)


def _english_score(tokens: list[str], phrases: Container[str]) -> float:
    score = 0.0
    for k, token in enumerate(tokens):
        if token in ENGLISH:
            score += _weight(token)
        elif _is_common(token, phrases) or _is_paired(tokens, k):
            score += 1.0
        elif token not in BORROWED and any(map(is_known, plain_forms(token))):
            score += 0.4
    return score


def _best(tokens: list[str], script: str) -> tuple[float, Language | None]:
    """The language of a script that most of the tokens are of, and its score."""
    if script == "HAN" and any(_is_kana(letter) for token in tokens for letter in token):
        return 1.0, language("ja")
    best: tuple[float, Language | None] = (0.0, None)
    tokens = tokens[:SAMPLE]
    for code in _codes(script):
        score = _score(tokens, language(code))
        if score > best[0]:
            best = score, language(code)
    return best


def _is_kana(letter: str) -> bool:
    return unicodedata.name(letter, "?").startswith(("HIRAGANA", "KATAKANA"))


def _is_hiragana(letter: str) -> bool:
    return unicodedata.name(letter, "?").startswith("HIRAGANA")


def _clauses(tokens: list[str]) -> Iterator[range]:
    """The stretches of words between marks."""
    start = 0
    for at in (*(k for k, token in enumerate(tokens) if not token[0].isalnum()), len(tokens)):
        if at > start:
            yield range(start, at)
        start = at + 1


def translated(text: str, phrases: Collection[str], idioms: Container[tuple[str, ...]]) -> list[Pair]:
    """The words of a text, each with how the text says it: words of other languages and emoji become English ones, which
    may be several; English words with a slip of the pen the word that is meant; the rest stays as it is. `phrases` are
    English words that are known besides the dictionary, `idioms` are phrases of two and more words."""
    pairs = spoken(text)
    tokens = [token for token, _ in pairs]
    english = [
        token in ENGLISH
        or token in phrases
        or any(map(is_known, plain_forms(token)))
        or is_derived(token)
        or _is_paired(tokens, k)
        or not token[0].isalpha()
        for k, token in enumerate(tokens)
    ]
    theirs: dict[int, Language] = {}
    for script in dict.fromkeys(
        _script(token[0]) for token in tokens if token[0].isalpha() and not token.isascii()
    ):
        its = [k for k, token in enumerate(tokens) if _script(token[0]) == script]
        if script != "LATIN" and (found := _best([tokens[k] for k in its], script)[1]):
            theirs |= dict.fromkeys(its, found)
    theirs |= _latin(tokens, english, theirs, phrases)
    # A word that is strange among English ones is misspelt, one among strangers is of their language.
    home = [k for k in range(len(tokens)) if k not in theirs]
    meant = {token: mended(bare(token), phrases) for token in {tokens[k] for k in home if not english[k]}}
    sure = sum(english[k] or any(map(is_known, plain_forms(meant[tokens[k]]))) for k in home)
    if 2 * sure < len(home):
        meant = {}
    proper = names(text)
    out: list[Pair] = []
    at = 0
    while at < len(pairs):
        token, said = pairs[at]
        if at in theirs:
            end = next(k for k in range(at + 1, len(pairs) + 1) if theirs.get(k) is not theirs[at])
            out += _clause(pairs[at:end], theirs[at], phrases, idioms)
            at = end
            continue
        at += 1
        if token in vocabulary().emoji:
            out += [(word, said) for word in words(vocabulary().emoji[token])]
        else:
            out.append((token if token in proper else meant.get(token, token), said))
    return out


def _latin(
    tokens: list[str], english: list[bool], theirs: dict[int, Language], phrases: Container[str]
) -> dict[int, Language]:
    """The language of each token in Latin letters that is not English."""
    doubtful = []
    for clause in _clauses(tokens):
        its = [k for k in clause if k not in theirs and tokens[k][0].isalpha()]
        # English has taken in so many words of its neighbours that a third of a clause is enough.
        strange = sum(
            not ((english[k] and _is_common(tokens[k], phrases)) or _is_paired(tokens, k)) for k in its
        )
        if its and 3 * strange >= len(its):
            doubtful.append(its)
    if not doubtful:
        return {}
    _, found = _best([tokens[k] for its in doubtful for k in its], "LATIN")
    return {
        k: found
        for its in doubtful
        for said in [[tokens[k] for k in its]]
        # A word that English does not have speaks for nobody, but against English.
        if found
        and (score := _score(said, found))
        # What English says too speaks for nobody alone.
        and _score([token for token in said if token not in ENGLISH], found)
        and score + 0.25 * sum(not english[k] for k in its) > _english_score(said, phrases)
        for k in range(its[0], its[-1] + 1)
        if k not in theirs
    }


def _clause(
    pairs: list[Pair], its: Language, phrases: Container[str], idioms: Container[tuple[str, ...]]
) -> list[Pair]:
    """The English of a clause of a language."""
    tokens = [token for token, _ in pairs]
    out: list[Pair] = []
    at = 0
    while at < len(tokens):
        token, said = pairs[at]
        idiom = next(
            (n for n in (4, 3, 2) if tuple(tokens[at : at + n]) in idioms and at + n <= len(tokens)), 0
        )
        if idiom:
            out += pairs[at : at + idiom]
            at += idiom
            continue
        if not token[0].isalpha():
            out.append(pairs[at])
            at += 1
            continue
        length, found = _found(tokens, at, its)
        said = " ".join(dict.fromkeys(said for _, said in pairs[at : at + length]))
        unspaced = _script(token[0]) in UNSPACED
        if not found:
            forms = plain_forms(token)
            same = len(token) >= COGNATE - 1 and any(form in phrases for form in forms)
            same = same or (len(token) >= COGNATE and any(form in vocabulary().common for form in forms))
            out.append((token if same else token + FOREIGN, said))
        elif unspaced:
            for part, known in _parts(token, its):
                if known:
                    _put(out, its.words[part], part, its)
                elif len(part) > 1 and any(not _is_hiragana(letter) for letter in part):
                    out.append((part, part))
        else:
            # A mountain lake is no mountain, but an autumn forest is both.
            together = " ".join(its.words[word] for word in found)
            for english in [together] if together in _places() else [its.words[word] for word in found]:
                _put(out, english, said, its)
        at += length
    return out


@cache
def _colours() -> frozenset[str]:
    return frozenset(word for names in table("lexicon")["colour"].values() for word in names)


@cache
def _places() -> frozenset[str]:
    return frozenset(phrase for names in table("lexicon")["place"].values() for phrase in names)


@cache
def _bare() -> frozenset[str]:
    """English that stands without an article: what things are like and what they do."""
    lexicon = table("lexicon")
    kinds = ("action", "mood", "look", "effect", "technique", "style")
    said = {phrase for kind in kinds for names in lexicon[kind].values() for phrase in names}
    camera = {phrase for row in table("camera").values() for phrase in row["words"]}
    return _colours() | said | camera | SMALL


def _put(out: list[Pair], english: str, said: str, its: Language) -> None:
    """Append a word. A noun gets an article, so that it is read as one; a colour goes before its noun."""
    if english in _colours() and its.after and len(out) > 1 and out[-2][0] == "the":
        # Before the article: a white horse may be a wave, and a white house a certain one.
        out.insert(-2, (english, said))
        return
    if english not in _bare() and not (out and out[-1][0] == "the"):
        out.append(("the", ""))
    out += [(word, said) for word in words(english)]
