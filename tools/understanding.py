"""How well prompts are understood: `python tools/understanding.py PROMPTS.txt`, one prompt per line.

Counts content nouns, says how many have a reading (place, time, body, archetype …) and how many of those are drawn
already, and lists every miss.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rushes.engines.animatic.prompt.nouns import vocabulary
from rushes.engines.animatic.prompt.parse import parse
from rushes.engines.animatic.prompt.words import plain_forms


def main() -> None:
    read = drawn = missed = 0
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        brief = parse(line)
        known = vocabulary().archetype
        unknown = [w for w in brief.ignored if not any(f in known for f in plain_forms(w)) and w not in known]
        drawn += len(brief.understood)
        read += len(brief.understood) + len(brief.ignored) - len(unknown)
        missed += len(unknown)
        flags = f"  MISSED {', '.join(unknown)}" if unknown else ""
        print(f"{line}\n    drawn: {', '.join(brief.understood)} | read: {', '.join(brief.ignored)}{flags}")
    total = read + missed
    print(
        f"\n{total} content words: {read} read ({read / total:.1%}), {drawn} drawn ({drawn / total:.1%}), {missed} missed"
    )


if __name__ == "__main__":
    main()
