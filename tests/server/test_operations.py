"""What an operator's machines read: metrics and readiness."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from rushes.core.clock import Clock
from rushes.core.errors import LedgerUnavailable, OutOfMemory
from rushes.server.health import KEEP_SECONDS, Health
from rushes.server.metrics import _Calls
from rushes.wiring.serve import web_app
from tests.server.site import GMI, Account, Site, open_site

SCRAPE_KEY = "only-for-scraping"
CARD = "kling-v2-6"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("watched"), metrics_key=SCRAPE_KEY, workers=0) as site:
        yield site


class Page:
    """A page of metrics; a series that is not there counts as 0."""

    def __init__(self, text: str) -> None:
        self.values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        return self.values.get((f"rushes_{name}", frozenset(labels.items())), 0.0)


def scrape(site: Site, token: str = SCRAPE_KEY) -> Page:
    answer = site.client.get("/metrics", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return Page(answer.text)


def status(site: Site, **headers: str) -> int:
    return int(site.client.get("/metrics", headers=headers).status_code)


def test_metrics_need_their_key_or_an_admins(watched: Site) -> None:
    admin = str(watched.house.ledger.create_key("boss", admin=True))
    plain = str(watched.house.ledger.create_key("ann"))
    assert status(watched) == 401
    assert status(watched, authorization=f"Bearer {plain}") == 401
    assert status(watched, authorization=f"Bearer {admin}x") == 401
    assert status(watched, authorization=f"Bearer {admin}") == 200
    assert status(watched, authorization=f"Bearer {SCRAPE_KEY}") == 200
    assert watched.account("ann").get(f"{GMI}/models").status_code == 200
    scraper = Account(watched, "scraper", SCRAPE_KEY)
    assert scraper.get(f"{GMI}/models").status_code == 401, "the key opens the metrics and nothing else"


@pytest.mark.parametrize(("mode", "expected"), [("off", 404), ("open", 200)])
def test_metrics_may_be_off_or_open(tmp_path: Path, mode: str, expected: int) -> None:
    with open_site(tmp_path, metrics=mode) as site:
        assert status(site) == expected


def test_one_scrape_tells_of_queue_runs_ends_and_workers(watched: Site) -> None:
    ann = watched.account("ann-of-metrics")
    before = scrape(watched)
    first, second, third = (ann.submitted() for _ in range(3))
    lease = watched.start(first)
    watched.beat(lease, 0.5)
    watched.finish(lease)
    watched.fail(watched.start(second), OutOfMemory("too large"))
    watched.house.ledger.register_worker("w", "here", 1, [CARD])
    told = scrape(watched)

    def risen(name: str, **labels: str) -> float:
        return told(name, **labels) - before(name, **labels)

    assert told("requests_live", model=CARD, status="queued") == 1
    assert told("requests_live", model=CARD, status="processing") == 0
    assert 0 < told("queue_oldest_seconds", model=CARD) < 60
    assert risen("requests_ended_total", model=CARD, reason="success") == 1
    assert risen("requests_ended_total", model=CARD, reason="OutOfMemory") == 1
    assert risen("attempts_total", model=CARD, ended_by="finish") == 1
    assert risen("attempts_total", model=CARD, ended_by="fail") == 1
    assert risen("attempt_seconds_total", model=CARD, ended_by="finish") > 0
    assert risen("beats_total", model=CARD) == 1
    assert risen("lease_losses_total", model=CARD) == 0
    for name in ("wait", "run", "overhead"):
        labels = {"model": CARD, "engine": "by hand"}
        assert risen(f"{name}_seconds_count", **labels) == 1
        assert risen(f"{name}_seconds_bucket", **labels, le="+Inf") == 1
        assert 0 < risen(f"{name}_seconds_sum", **labels) < 60
    assert told("workers", model=CARD) == 1
    assert told("worker_silent_seconds", worker="w") < 60
    assert told("storage_files") >= 0
    assert told("disk_free_bytes") > 0
    assert told("process_cpu_seconds_total") > 0
    ann.post(f"{GMI}/requests/{third}/cancel", {})


def test_calls_are_counted_by_template_never_by_path(watched: Site) -> None:
    ann = watched.account("ann-of-calls")
    before = scrape(watched)
    request_id = ann.submitted()
    for _ in range(3):
        ann.record(request_id)
    for word in ("one", "two"):
        ann.get(f"/nowhere/{word}")
        ann.get(f"{GMI}/requests/{word}")
    told = scrape(watched)
    route = f"{GMI}/requests/{{id}}"

    def risen(dialect: str, route: str, method: str, status: str) -> float:
        labels = {"dialect": dialect, "route": route, "method": method, "status": status}
        return told("http_requests_total", **labels) - before("http_requests_total", **labels)

    assert risen("gmi", route, "GET", "200") == 3
    assert risen("gmi", route, "GET", "404") == 2
    assert risen("house", "none", "", "404") == 2
    assert risen("house", "/metrics", "GET", "200") == 1
    assert told("http_seconds_count", dialect="gmi", route=route) >= 5
    assert not [key for key in told.values if request_id in str(key)]


def test_a_ledger_that_is_away_costs_the_scrape_only(watched: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise LedgerUnavailable("the ledger sleeps")

    monkeypatch.setattr(watched.house.ledger, "workers", away)
    answer = watched.client.get("/metrics", headers={"authorization": f"Bearer {SCRAPE_KEY}"})
    assert (answer.status_code, answer.json()) == (503, {"error": "the ledger sleeps"})


def test_a_server_without_own_workers_is_ready(watched: Site) -> None:
    answer = watched.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "status": "ready",
        "checks": {"server": "ok", "ledger": "ok", "store": "ok", "disk": "ok"},
    }


def test_a_server_is_not_ready_before_its_worker_is_there(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=1) as site:
        answer = site.client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["status"] == "not ready"
        assert answer.json()["checks"]["workers"] == "no worker was seen in the last 60 s"
        assert site.client.get("/healthz").json() == {"status": "ok"}


def test_a_server_that_drains_is_not_ready(watched: Site) -> None:
    leaving = [False]
    client = TestClient(web_app(watched.house, watched.hub, lambda: leaving[0]))
    assert client.get("/readyz").status_code == 200
    leaving[0] = True
    draining = TestClient(web_app(watched.house, watched.hub, lambda: leaving[0])).get("/readyz")
    assert draining.status_code == 503
    assert "draining" in draining.json()["checks"]["server"]


def test_a_full_disk_makes_it_not_ready(tmp_path: Path) -> None:
    with open_site(tmp_path, min_free="100000TB", workers=0) as site:
        answer = site.client.get("/readyz")
        assert answer.status_code == 503
        assert "min_free is 100,000,000,000 MB" in answer.json()["checks"]["disk"]


def test_reasons_are_sentences_and_kept_for_a_moment() -> None:
    time, asked = [0.0], [0]

    def check() -> str | None:
        asked[0] += 1
        if asked[0] == 1:
            raise LedgerUnavailable("the disk is full")
        return None

    health = Health({"ledger": check}, Clock(monotonic=lambda: time[0]))
    assert health.look() == {"ledger": "the disk is full"}
    time[0] = KEEP_SECONDS / 2
    assert health.look() == {"ledger": "the disk is full"}
    time[0] = KEEP_SECONDS
    assert health.look() == {"ledger": "ok"}
    assert asked == [2]


def test_calls_are_counted_by_the_time_they_took() -> None:
    calls = _Calls({"/x": "gmi"})
    for seconds in (0.001, 0.3, 100.0):
        calls.count("/x", "GET", 200, seconds)
    count, time = calls.collect()
    assert [(sample.labels, sample.value) for sample in count.samples] == [
        ({"dialect": "gmi", "route": "/x", "method": "GET", "status": "200"}, 3)
    ]
    told = {sample.labels.get("le", sample.name): sample.value for sample in time.samples}
    assert (told["0.001"], told["0.25"], told["0.5"], told["30.0"], told["+Inf"]) == (1, 1, 2, 2, 3)
    assert (told["rushes_http_seconds_count"], told["rushes_http_seconds_sum"]) == (3, 100.301)
