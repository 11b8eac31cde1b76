"""Traces are passed in, like time: the house tells what took how long, and whoever wired it decides who hears it.

A trace goes on across processes by its W3C `traceparent`, a line of text that the ledger keeps with the request.
Attributes never hold prompts, images or keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

Attributes: TypeAlias = Mapping[str, str | int | float]


class Span(Protocol):
    """Something that takes time, while it does."""

    @property
    def context(self) -> str | None:
        """The traceparent under which others go on; None when nobody listens."""

    def fail(self, reason: str) -> None: ...


class Tracer(Protocol):
    def span(self, name: str, parent: str | None, attributes: Attributes) -> AbstractContextManager[Span]:
        """A span as long as the block, below the span that `parent` names, or at the top."""

    def note(self, name: str, start: float, end: float, parent: str | None, attributes: Attributes) -> None:
        """A span that is over, in seconds since the epoch."""


class Silence:
    """Nobody listens."""

    context: str | None = None

    def fail(self, reason: str) -> None:
        return

    @contextmanager
    def span(self, name: str, parent: str | None, attributes: Attributes) -> Iterator[Span]:
        yield self

    def note(self, name: str, start: float, end: float, parent: str | None, attributes: Attributes) -> None:
        return


SILENCE = Silence()
