from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.signing import Signer

SIGNER = Signer(b"s" * 32)
PATHS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map("/files/{}".format)


def parts(link: str) -> tuple[str, str, str]:
    """Path, expiry and signature as a server reads them."""
    split = urlsplit(link)
    query = parse_qs(split.query)
    return unquote(split.path), query["exp"][0], query["sig"][0]


@given(PATHS, st.integers(0, 10**11))
def test_what_is_signed_is_right_until_it_runs_out(path: str, expires: int) -> None:
    read, exp, sig = parts(SIGNER.sign("GET", path, expires))
    assert read == path
    assert SIGNER.check("GET", path, exp, sig, now=expires)
    assert SIGNER.check("get", path, exp, sig, now=expires)
    assert SIGNER.check("GET", path, exp, sig, now=expires + 1) is (expires == 0)


def test_nothing_else_is() -> None:
    _, exp, sig = parts(SIGNER.sign("GET", "/files/a", 100))
    assert not SIGNER.check("PUT", "/files/a", exp, sig, 50)
    assert not SIGNER.check("GET", "/files/b", exp, sig, 50)
    assert not SIGNER.check("GET", "/files/a", "101", sig, 50)
    assert not SIGNER.check("GET", "/files/a", "0", sig, 50)
    assert not SIGNER.check("GET", "/files/a", exp, sig[:-1], 50)
    assert not Signer(b"t" * 32).check("GET", "/files/a", exp, sig, 50)


@pytest.mark.parametrize("expires", ["", "-1", "1e9", "٣", "9" * 13, " 100", "100 "])
def test_an_expiry_of_another_form_is_wrong(expires: str) -> None:
    _, _, sig = parts(SIGNER.sign("GET", "/files/a", 100))
    assert not SIGNER.check("GET", "/files/a", expires, sig, 50)


@given(st.text())
def test_any_text_may_come_as_a_signature(signature: str) -> None:
    assert not SIGNER.check("GET", "/files/a", "100", signature.encode("utf-8", "replace").decode(), 50)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Signer(b"short")
