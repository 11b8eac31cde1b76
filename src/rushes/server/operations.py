"""What operators and their machines ask: is it alive, is it ready, how does it do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rushes.core.errors import LedgerUnavailable
from rushes.server.bearer import bearer
from rushes.server.health import Health, ready
from rushes.server.metrics import CONTENT_TYPE, Metrics

HEALTH_PATHS = ("/healthz", "/readyz")
_FRESH = {"cache-control": "no-store"}


@dataclass(frozen=True)
class Operations:
    """`scraping` says who may read the metrics: nobody, anybody, or who sends a token that `accepts` takes."""

    health: Health
    metrics: Metrics
    scraping: Literal["off", "open", "key"]
    accepts: Callable[[str | None], bool]


def operation_routes(operations: Operations) -> list[Route]:
    metrics, scraping = operations.metrics, operations.scraping

    async def healthz(_: Request) -> Response:
        return _json({"status": "ok"})

    async def readyz(_: Request) -> Response:
        found = await run_in_threadpool(operations.health.look)
        fine = ready(found)
        return _json({"status": "ready" if fine else "not ready", "checks": found}, 200 if fine else 503)

    async def page(request: Request) -> Response:
        if scraping == "key" and not await run_in_threadpool(operations.accepts, bearer(request)):
            text = "metrics need 'Authorization: Bearer' with an admin key or the metrics_key of the settings"
            return _json({"error": text}, 401, {"www-authenticate": "Bearer"})
        try:
            return Response(await run_in_threadpool(metrics.page), 200, _FRESH, CONTENT_TYPE)
        except LedgerUnavailable as error:
            return _json({"error": str(error)}, 503)

    routes = [Route("/healthz", healthz), Route("/readyz", readyz)]
    return routes if scraping == "off" else [*routes, Route("/metrics", page)]


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, {**_FRESH, **(headers or {})}, "application/json")
