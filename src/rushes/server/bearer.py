"""Who calls, as the call says it."""

from __future__ import annotations

from starlette.requests import Request


def bearer(request: Request) -> str | None:
    """The token of `Authorization: Bearer …`; the scheme's case does not matter."""
    return token_of(request.headers.get("authorization", ""))


def token_of(header: str) -> str | None:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
