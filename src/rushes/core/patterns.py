"""Regular expressions that mean the same to Python and to JSON Schema, which knows no flags."""

from __future__ import annotations

import re


def any_case(word: str) -> str:
    """`word`, its ASCII letters in either case."""
    return "".join(
        f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else re.escape(letter) for letter in word
    )


def whole(pattern: str) -> str:
    """A pattern of JSON Schema, which searches unless it is told the ends."""
    return f"^(?:{pattern})$"
