from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.keys import digest, matches, new_key, parse_key


def test_a_key_is_read_as_it_was_made() -> None:
    for _ in range(200):  # secrets may hold underscores too
        key = new_key()
        assert parse_key(str(key)) == key
        assert matches(key.secret, key.digest)
        assert not matches(key.secret + "x", key.digest)


def test_keys_differ() -> None:
    assert len({str(new_key()) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "text", ["", "rsh", "rsh_", "rsh_abcdefgh_", "rsh_short_secret", "xyz_abcdefgh_secret"]
)
def test_other_forms_are_no_keys(text: str) -> None:
    assert parse_key(text) is None


@given(st.text())
def test_any_text_can_be_asked_about(text: str) -> None:
    parse_key(text)
    assert len(digest(text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))) == 64
