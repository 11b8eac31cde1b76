"""Structured logs: one line an event, with the request and its fence on every line that concerns one.

Lines never hold secrets, and prompts only at debug level: both are dropped here, whoever logs them.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from contextlib import suppress
from typing import Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRETS = frozenset({"authorization", "api_key", "key", "token", "secret", "sig", "image", "payload"})
_PRIVATE = frozenset({"prompt", "negative_prompt", "understood", "ignored"})


def _discreet(_: WrappedLogger, level: str, event: EventDict) -> EventDict:
    hidden = _SECRETS if level == "debug" else _SECRETS | _PRIVATE
    for name in hidden & event.keys():
        del event[name]
    return event


def _as_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    try:
        return msgspec.json.encode(event, enc_hook=repr).decode()
    except UnicodeEncodeError:  # half a character, from a file's name for one
        return json.dumps(event, default=repr)


class _Pen:
    """Writes a logger's lines to standard error, without the way through the standard library's logging, which costs as
    much as a submission's own work. A line that cannot be written, on a full disk for one, is lost and breaks nothing."""

    _lock = threading.Lock()

    def __init__(self, name: str = "") -> None:
        self.name = name

    def write(self, line: str) -> None:
        with self._lock, suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = write


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
    render: Processor = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if console else _as_json
    structlog.configure(
        processors=[*shared, render],
        logger_factory=_Pen,
        # What is below the level costs no more than a call of an empty function.
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
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
