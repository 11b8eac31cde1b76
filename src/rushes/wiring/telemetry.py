"""Traces by OpenTelemetry, when the settings name a collector; without one nothing of it is even imported."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rushes import __version__
from rushes.core.errors import SetupError
from rushes.core.tracing import SILENCE, Attributes, Span, Tracer
from rushes.settings import Settings

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

MODULES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")

SEND_SECONDS = 2
"""How long a batch may take, tries included: so long a collector that is away holds up the end of a process."""


@contextmanager
def open_tracer(settings: Settings, part: str) -> Iterator[Tracer]:
    """Who hears the traces of this process, which is the `part` server or worker; what is left is sent at the end.
    Raises `SetupError` when the extra is not installed."""
    if settings.otel_endpoint is None:
        yield SILENCE
        return
    _require_extra()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": f"rushes-{part}", "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{settings.otel_endpoint}/v1/traces", timeout=SEND_SECONDS)
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # not a line for each try
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Telemetry(provider)
    finally:
        provider.shutdown()


def _require_extra() -> None:
    try:
        missing = [name for name in MODULES if find_spec(name) is None]
    except ModuleNotFoundError as error:  # not even the parent package
        missing = [str(error.name)]
    if missing:
        raise SetupError(
            f"otel_endpoint is set, but {missing[0]} is not installed",
            advice="Install the extra: pip install 'rushes[otel]'.",
        )


class Telemetry:
    """The house's `Tracer` over OpenTelemetry's."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = provider.get_tracer("rushes", __version__)
        self._words = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, parent: str | None, attributes: Attributes) -> Iterator[Span]:
        started = self._tracer.start_span(name, self._context(parent), attributes=dict(attributes))
        span = TelemetrySpan(started, self._traceparent(started))
        try:
            yield span
        except BaseException as error:
            span.fail(type(error).__name__)
            raise
        finally:
            started.end()

    def note(self, name: str, start: float, end: float, parent: str | None, attributes: Attributes) -> None:
        context = self._context(parent)
        over = self._tracer.start_span(
            name, context, attributes=dict(attributes), start_time=int(start * 1e9)
        )
        over.end(int(end * 1e9))

    def _context(self, parent: str | None) -> Context:
        """What `parent` names; whatever is no traceparent begins a trace of its own."""
        from opentelemetry.context import Context

        return self._words.extract({"traceparent": parent or ""}, Context())

    def _traceparent(self, span: trace.Span) -> str | None:
        from opentelemetry.context import Context
        from opentelemetry.trace import set_span_in_context

        carrier: dict[str, str] = {}
        self._words.inject(carrier, set_span_in_context(span, Context()))
        return carrier.get("traceparent")


class TelemetrySpan:
    def __init__(self, span: trace.Span, context: str | None) -> None:
        self._span = span
        self.context = context

    def fail(self, reason: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span.set_status(Status(StatusCode.ERROR, reason))
