"""Bodies are counted as they come, so that a huge one costs no more memory than the limit."""

from __future__ import annotations

from starlette.requests import Request

from rushes.core.errors import BodyTooLarge


async def read_body(request: Request, limit: int) -> bytes:
    """All bytes of the body, at most `limit`. Raises `BodyTooLarge`, before reading when the length is announced."""
    headers = request.headers
    announced = headers.get("content-length", "")
    if not announced and "transfer-encoding" not in headers:
        return b""  # HTTP/1.1 has no body without one of them
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {limit:,} bytes, which is the limit here")
