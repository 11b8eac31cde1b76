"""`python -m bench [row …] [--write]`: the rows named, or all."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.figures import Figure, page, show
from bench.load import ROOT
from bench.rows import ROWS

PAGE = ROOT / "docs" / "performance.md"
REMARKS = Path(__file__).parent / "remarks.md"
GPU = Path(__file__).parent / "gpu.md"
"""Kept by `python -m bench.gpu`, which needs a machine that has one."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="What is measured, and against what."
    )
    parser.add_argument("rows", nargs="*", metavar="row", help=", ".join(ROWS))
    parser.add_argument("--write", action="store_true", help=f"keep the table in {PAGE.relative_to(ROOT)}")
    chosen = parser.parse_args()
    if unknown := set(chosen.rows) - ROWS.keys():
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    figures: list[Figure] = []
    for name in chosen.rows or ROWS:
        figures += ROWS[name]()
        if chosen.write:  # row by row: a run that is broken off has not been for nothing
            remarks = f"{REMARKS.read_text().rstrip()}\n\n{GPU.read_text()}"
            before = PAGE.read_text() if PAGE.exists() else ""
            PAGE.write_text(page(figures, remarks, before))
    show(figures)


if __name__ == "__main__":
    main()
