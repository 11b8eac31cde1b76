"""A backup by command while a server takes requests and its worker makes them, and a server on what came back."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.served import GMI, PROGRAM, Server, environment, eventually, serve, write_cards
from tests.engines.installed import install_colour_engine


def rushes(data: Path, *words: object) -> dict[str, object]:
    """What a command answers in JSON."""
    ran = subprocess.run(
        [*PROGRAM, *map(str, words), "--json"],
        env=environment(data),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=data.parent,
    )
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout))


def ended(server: Server) -> int:
    page = server.http.get("/metrics").text
    return sum(
        int(sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "rushes_requests_ended_total" and sample.labels["reason"] == "success"
    )


def test_a_busy_server_is_copied_and_the_copy_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_colour_engine(tmp_path / "site", monkeypatch)
    cards = write_cards(tmp_path / "cards", "colour", signals=str(tmp_path))
    data, again = tmp_path / "data", tmp_path / "again"
    stop = threading.Event()
    with serve(data, cards=cards, metrics="open", workers=1) as server:

        def submit() -> None:
            while not stop.is_set():
                server.submit({"prompt": "colours"})
                stop.wait(0.5)

        client = threading.Thread(target=submit)
        client.start()
        try:
            eventually(lambda: ended(server) >= 2, "two results")
            copied = rushes(data, "backup", tmp_path / "copy.tar")
        finally:
            stop.set()
            client.join()
        assert server.http.get("/readyz").status_code == 200
    assert copied["missing"] == []
    restored = rushes(again, "restore", tmp_path / "copy.tar", "--data", again)
    assert restored == copied
    with serve(again, cards=cards, metrics="open", workers=0) as server:
        records = server.call("GET", f"{GMI}/requests", params={"limit": "100"}).json()["requests"]
        made = [record["outcome"] for record in records if record["status"] == "success"]
        assert len(made) >= 2
        assert ended(server) == len(made), "the counters come back with the ledger"
        for outcome in made:
            for url in (outcome["video_url"], outcome["thumbnail_image_url"]):
                link = urlsplit(url)
                assert server.fetch(f"{server.url}{link.path}?{link.query}").content
