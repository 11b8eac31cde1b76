"""Who calls, as the call says it."""

from __future__ import annotations

from starlette.requests import Request


def bearer(request: Request) -> str | None:
    """The token of `Authorization: Bearer …`; the scheme's case does not matter."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
