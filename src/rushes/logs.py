"""Structured logs: one line an event, with the request and its fence on every line that concerns one.

Lines never hold secrets, and prompts only at debug level: both are dropped here, whoever logs them.
"""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRETS = frozenset({"authorization", "api_key", "key", "token", "secret", "sig", "image", "payload"})
_PRIVATE = frozenset({"prompt", "negative_prompt", "understood", "ignored"})


def _discreet(_: WrappedLogger, level: str, event: EventDict) -> EventDict:
    hidden = _SECRETS if level == "debug" else _SECRETS | _PRIVATE
    for name in hidden & event.keys():
        del event[name]
    return event


def configure(level: str, style: Literal["auto", "json", "console"]) -> None:
    """Log to standard error at `level` and above; `auto` means console on a terminal, else JSON lines. Loggers of
    libraries go the same way."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _discreet,
    ]
    if not console:
        shared.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        # What is below the level costs no more than a call of an empty function.
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    render: Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if console
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("alembic", "httpx2", "httpcore2", "numba", "PIL", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
