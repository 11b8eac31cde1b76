"""One trace from the client's call to the upload, across processes; and nothing of it where nobody listens."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rushes.core.errors import SetupError
from rushes.core.tracing import SILENCE
from rushes.settings import Settings
from rushes.wiring import telemetry
from rushes.wiring.telemetry import Telemetry, open_tracer
from tests.e2e.served import GMI, serve, write_cards
from tests.engines.installed import install_colour_engine

PROMPT = "a sailing boat nobody may read about"
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = f"00-{TRACE}-b7ad6b7169203331-01"


class Collector:
    """Takes traces by OTLP over HTTP on a port of the loopback."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(self.path, body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        asked = ExportTraceServiceRequest.FromString(body)
        for resource in asked.resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(names["service.name"], span) for span in scope.spans]


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        thread.join()
        collector.server.server_close()


def test_a_request_is_one_trace_through_server_and_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_colour_engine(tmp_path / "site", monkeypatch)
    cards = write_cards(tmp_path / "cards", "colour", signals=str(tmp_path))
    with collecting() as collector:
        with serve(tmp_path / "data", cards=cards, otel_endpoint=collector.url) as server:
            answer = server.call(
                "POST",
                f"{GMI}/requests",
                {"model": "kling-v2-6", "payload": {"prompt": PROMPT, "duration": "5"}},
                headers={"traceparent": CALLER},
            )
            request_id = answer.json()["request_id"]
            assert server.ended(request_id, 60)["status"] == "success"
            assert server.stop() == 0, "what is left is sent before the end"
        by_name: dict[str, list[Any]] = defaultdict(list)
        for service, span in collector.spans:
            assert span.trace_id.hex() == TRACE
            assert PROMPT not in str(span)
            by_name[span.name].append((service, span))
    (_, submit), (_, attempt) = by_name["submit"][0], by_name["attempt"][0]
    assert submit.parent_span_id.hex() == CALLER.split("-")[2]
    assert attempt.parent_span_id == submit.span_id
    assert by_name["wait"][0][1].parent_span_id == submit.span_id
    assert by_name["submit"][0][0] == "rushes-server"
    assert by_name["attempt"][0][0] == "rushes-worker"
    for phase in ("load", "render", "inspect", "upload"):
        (service, span), *_ = by_name[phase]
        assert (service, span.parent_span_id) == ("rushes-worker", attempt.span_id)
        assert attempt.start_time_unix_nano - 1e6 <= span.start_time_unix_nano <= span.end_time_unix_nano
    attributes = {a.key: a.value for a in attempt.attributes}
    assert attributes["rushes.request"].string_value == request_id
    assert attributes["rushes.fence"].int_value == 1


def test_a_collector_that_is_away_costs_no_request(tmp_path: Path) -> None:
    with collecting() as collector:
        gone = collector.url
    with serve(tmp_path / "data", workers=0, otel_endpoint=gone) as server:
        assert server.record(server.submit({"prompt": PROMPT}))["status"] == "queued"
        assert server.stop(within=20) == 0, "nor does it hold up the end"


@pytest.fixture
def heard() -> Iterator[tuple[Telemetry, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Telemetry(provider), exporter
    provider.shutdown()


def test_spans_fail_with_what_went_wrong_by_name_only(
    heard: tuple[Telemetry, InMemorySpanExporter],
) -> None:
    tracer, exporter = heard
    with pytest.raises(SetupError), tracer.span("submit", None, {}):
        raise SetupError("words of a stranger")
    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code.name, span.status.description) == ("ERROR", "SetupError")
    assert span.events == ()


@pytest.mark.parametrize("parent", [None, "", "garbage", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_what_is_no_traceparent_begins_a_trace_of_its_own(
    heard: tuple[Telemetry, InMemorySpanExporter], parent: str | None
) -> None:
    tracer, exporter = heard
    with tracer.span("submit", parent, {}) as span:
        assert span.context is not None
        tracer.note("wait", 1.0, 2.5, span.context, {"a": 1})
    wait, submit = exporter.get_finished_spans()
    assert submit.parent is None
    assert wait.parent is not None
    assert wait.parent.span_id == submit.context.span_id
    assert (wait.start_time, wait.end_time) == (1_000_000_000, 2_500_000_000)


def settings(tmp_path: Path, **more: str) -> Settings:
    return Settings.load(flags={"data": str(tmp_path), **more}, environ={})


def test_nobody_listens_unless_told(tmp_path: Path) -> None:
    with open_tracer(settings(tmp_path), "server") as tracer, tracer.span("submit", CALLER, {}) as span:
        assert tracer is SILENCE
        assert span.context is None


def test_a_missing_extra_is_said_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "find_spec", lambda _: None)
    told = settings(tmp_path, otel_endpoint="http://127.0.0.1:4318")
    refusal = pytest.raises(SetupError, match=r"opentelemetry\.sdk is not installed")
    with refusal as refused, open_tracer(told, "server"):
        raise AssertionError("it must not start")
    assert "rushes[otel]" in refused.value.advice


def test_a_house_without_a_collector_imports_nothing_of_it() -> None:
    program = "import sys, rushes.wiring.serve, rushes.wiring.work; print('opentelemetry' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
