"""Text to words, and words to their plain form."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*|[^\w\s]", re.UNICODE)

STOP = frozenset(
    ["a", "an", "the", "and", "or", "but", "of", "in", "on", "at", "to", "into", "onto", "from", "with", "by", "for", "as", "is", "are", "was", "were", "be", "been", "being", "it", "its", "this", "that", "these", "those", "there", "here", "his", "her", "their", "our", "your", "my", "he", "she", "they", "we", "you", "i", "him", "them", "us", "me", "who", "which", "what", "while", "when", "where", "then", "than", "so", "very", "really", "just", "also", "some", "any", "each", "every", "all", "both", "more", "most", "much", "many", "few", "several", "lot", "lots", "other", "another", "up", "down", "out", "off", "over", "under", "through", "across", "along", "around", "between", "near", "behind", "beside", "beneath", "above", "below", "toward", "towards", "against", "within", "upon", "about", "after", "before", "during", "until", "very", "not", "do", "does", "did", "has", "have", "had", "can", "could", "will", "would", "shall", "should", "may", "might", "must", "let", "make", "makes", "made", "get", "gets", "one's", "s", "t", "like"]
)
NEGATIONS = frozenset({"no", "without", "not", "never", "avoid", "exclude", "excluding", "except"})


def words(text: str) -> list[str]:
    """Lower-case words and single marks, in order. Fullwidth and compatibility forms are folded to plain ones."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return _WORD.findall(folded)


def plain_forms(word: str) -> list[str]:
    """`word` and what it may be a plural, verb or possessive form of, likeliest first."""
    forms = [word]
    if word.endswith("'s"):
        word = word[:-2]
        forms.append(word)
    for ending, instead in (("ies", "y"), ("ves", "f"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith("ss"):
            forms.append(word[: -len(ending)] + instead)
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word[: -len(ending)]
            forms += [stem, stem + "e"]
            if len(stem) > 2 and stem[-1] == stem[-2]:
                forms.append(stem[:-1])
    return list(dict.fromkeys(forms))
