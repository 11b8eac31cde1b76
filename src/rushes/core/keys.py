"""API keys: `rsh_<kid>_<secret>`.

The kid finds the row, the secret proves it. Only the secret's SHA-256 is kept: it has 256 random bits, so a slow hash
would buy nothing, and every call checks one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from typing import NamedTuple

_PREFIX = "rsh"
_KID_CHARACTERS = string.ascii_lowercase + string.digits
_KID_LENGTH = 8


class ApiKey(NamedTuple):
    """A key in full, known only when it is made or shown by a client."""

    kid: str
    secret: str

    def __str__(self) -> str:
        return f"{_PREFIX}_{self.kid}_{self.secret}"

    @property
    def digest(self) -> str:
        return digest(self.secret)


def new_key() -> ApiKey:
    kid = "".join(secrets.choice(_KID_CHARACTERS) for _ in range(_KID_LENGTH))
    return ApiKey(kid, secrets.token_urlsafe(32))


def parse_key(text: str) -> ApiKey | None:
    """The key in `text`, or None when it has another form."""
    prefix, _, rest = text.partition("_")
    kid, _, secret = rest.partition("_")
    if prefix != _PREFIX or len(kid) != _KID_LENGTH or not secret:
        return None
    return ApiKey(kid, secret)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def matches(secret: str, digest_kept: str) -> bool:
    """True if `secret` is the one whose digest was kept; takes the same time either way."""
    return hmac.compare_digest(digest(secret), digest_kept)
