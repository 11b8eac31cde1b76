"""Signed links: `?exp=&sig=` with HMAC-SHA256 over method, path and expiry, so that a file is readable by who holds
its URL and by nobody else, without a session and without a row."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote


class Signer:
    """Signs and checks paths with one secret of at least 32 bytes."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 32:
            raise ValueError("the signing secret must have at least 32 bytes")
        self._secret = secret

    def _signature(self, method: str, path: str, expires: int) -> str:
        text = f"{method.upper()}\n{path}\n{expires}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()

    def sign(self, method: str, path: str, expires: float) -> str:
        """`path` (unquoted, starting with a slash) as a quoted path with its query. `expires` is in seconds since
        the epoch; 0 means never."""
        at = int(expires)
        return f"{quote(path)}?exp={at}&sig={self._signature(method, path, at)}"

    def check(self, method: str, path: str, expires: str, signature: str, now: float) -> bool:
        """True if the signature is ours for exactly this method and path, and has not run out."""
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
            return False
        at = int(expires)
        right = hmac.compare_digest(self._signature(method, path, at).encode(), signature.encode())
        return right and (at == 0 or now <= at)
