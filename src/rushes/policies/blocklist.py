"""A small policy: prompts with certain words are refused, or only tagged.

The list is a text file: a word or phrase a line, or a regular expression between slashes; `#` begins a comment. Words
match whole words, whatever their case, width or accents' encoding. Options: `file`, and `tag` to tag instead of
refusing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rushes.core.audit import Stage
from rushes.core.errors import SetupError
from rushes.policies.base import PASS, Case, Verdict


class Blocklist:
    """Raises `SetupError` for wrong options, and for a file that cannot be read."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        unknown = sorted(set(options) - {"file", "tag"})
        if unknown or not all(isinstance(value, str) for value in options.values()) or "file" not in options:
            raise SetupError(
                f"policy 'blocklist': {f'unknown options {unknown}' if unknown else f'wrong options {dict(options)}'}",
                advice="It takes `file`, the path of the list, and `tag`, a word to tag with instead of refusing.",
            )
        self._tag = options.get("tag")
        self._patterns = list(_patterns(Path(options["file"]).expanduser()))

    def judge(self, case: Case) -> Verdict:
        if case.stage is not Stage.SUBMIT:
            return PASS
        prompt = _folded(case.shot.prompt)
        if not any(pattern.search(prompt) for pattern in self._patterns):
            return PASS
        if self._tag is not None:
            return Verdict(tags=(self._tag,))
        # Which word it was is not told: whoever tries to get around the list learns nothing.
        return Verdict(refusal="the prompt asks for something that is not made here")


def _patterns(path: Path) -> Iterator[re.Pattern[str]]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(
            f"policy 'blocklist': the file {path} cannot be read: {error}", advice="Check its option `file`."
        ) from error
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        try:
            yield _pattern(line)
        except re.error as error:
            raise SetupError(
                f"policy 'blocklist': {path}, line {number}: {line} is no regular expression: {error}",
                advice="Mend it, or take the slashes away to match it as a word.",
            ) from error


def _pattern(line: str) -> re.Pattern[str]:
    if len(line) > 2 and line.startswith("/") and line.endswith("/"):
        return re.compile(line[1:-1], re.IGNORECASE)
    words = r"\s+".join(map(re.escape, _folded(line).split()))
    return re.compile(rf"(?<!\w){words}(?!\w)")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
