"""How well the animatic engine understands prompts: `python -m tools.understanding [FILE]`.

FILE holds one prompt a line. With what its words mean behind a tab (`word=reading; word=reading|other reading`) every
word that was missed or misread is listed and counted, and every thing seen in words that mean none;
`tests/engines/animatic/prompts.tsv` and `prompts-registers.tsv` are such files; the first is the default. Without, each
prompt's readings are listed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rushes.engines.animatic.prompt.parse import parse

GOLD = Path(__file__).parent.parent / "tests/engines/animatic/prompts.tsv"
REGISTERS = GOLD.with_name("prompts-registers.tsv")
HOW = frozenset({"camera", "time"})
"""Kinds that say how and when it is seen; the others say what is seen."""
LIKE = frozenset({"action", "mood", "colour", "count"})
"""Kinds that say what a thing is like: not judged."""


@dataclass
class Count:
    """Words of one sort: how many there are, how many were read, how many rightly; and a line for each that was not."""

    words: int = 0
    read: int = 0
    right: int = 0
    faults: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """What was read into words that mean nothing of the sort."""

    @property
    def understood(self) -> float:
        return self.read / self.words

    @property
    def wrong(self) -> float:
        return (self.read - self.right) / self.words

    def __str__(self) -> str:
        return f"{self.words} words: {self.understood:.1%} read, {self.wrong:.1%} misread; {len(self.seen)} seen where none is"


def judge(lines: Iterable[str]) -> tuple[Count, Count]:
    """Content nouns, and camera and time words, of prompts with what their words mean."""
    nouns, how = Count(), Count()
    for line in lines:
        prompt, _, meanings = line.partition("\t")
        if prompt.startswith("#"):
            continue
        found: dict[str, list[str]] = {}
        for said, reading in parse(prompt).readings:
            found.setdefault(said, []).append(reading)
        for item in filter(None, meanings.split("; ")):
            word, _, right = item.partition("=")
            kinds = {reading.partition(":")[0] for reading in right.split("|")}
            if kinds <= LIKE:
                continue
            count = how if kinds & HOW else nouns
            count.words += 1
            read = _read(word, found)
            if not read:
                count.faults.append(f"missed   {word}: {prompt}")
                continue
            count.read += 1
            if {*read} & {*right.split("|")}:
                count.right += 1
            else:
                count.faults.append(f"misread  {word} as {', '.join(read)}, is {right}: {prompt}")
        judged = {part for item in meanings.split("; ") for part in item.partition("=")[0].split()}
        for said, read in found.items():
            kinds = {reading.partition(":")[0] for reading in read} - LIKE
            if kinds and judged.isdisjoint(_parts(said)):
                (how if kinds & HOW else nouns).seen.append(f"seen     {said} as {', '.join(read)}: {prompt}")
    return nouns, how


def _parts(said: str) -> set[str]:
    """The words of a saying, also those that hyphens and apostrophes join."""
    return {*said.split(), *re.split(r"[ \-']", said)}


def _read(word: str, found: dict[str, list[str]]) -> list[str]:
    """What a word of the prompt was read as; of several words what the last one was, if it was read."""
    if word in found:
        return found[word]
    for part in reversed(word.split()):
        for said, read in found.items():
            if part in _parts(said):
                return read
    return []


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else GOLD
    lines = path.read_text(encoding="utf-8").splitlines()
    if not any("\t" in line for line in lines):
        for line in lines:
            brief = parse(line)
            readings = ", ".join(f"{said} = {meaning}" for said, meaning in brief.readings)
            ignored = f" | ignored: {', '.join(brief.ignored)}" if brief.ignored else ""
            print(f"{line}\n    {readings}{ignored}")
        return
    nouns, how = judge(lines)
    for fault in (*nouns.faults, *how.faults, *nouns.seen, *how.seen):
        print(fault)
    print(f"\nwhat is seen: {nouns}\ncamera and time: {how}")


if __name__ == "__main__":
    main()
