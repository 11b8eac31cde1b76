"""SIGHUP reads the cards anew, in the server and in its workers, and drops nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rushes import cards
from rushes.settings import Settings
from rushes.wiring import hangup
from rushes.wiring.catalogue import load_catalogue, reload_catalogue
from rushes.wiring.hangup import Hangup
from tests.e2e.served import GMI, Server, eventually, serve, write_cards
from tests.engines.installed import install_colour_engine


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("reload")
    (home / "signals").mkdir()
    own = write_cards(home / "cards", "colour", signals=str(home / "signals"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        install_colour_engine(home / "site", monkeypatch)
        with serve(home / "data", cards=own, workers=1) as server:
            server.process.send_signal(signal.SIGHUP)  # the worker is only just being born
            yield server


def ready(server: Server) -> dict[str, Any] | None:
    answer = server.http.get("/readyz")
    return dict(answer.json()) if answer.status_code == 200 else None


def models(server: Server) -> list[str]:
    answer = server.call("GET", f"{GMI}/models")
    assert answer.status_code == 200
    return [str(model) for model in answer.json()["model_ids"]]


def said(server: Server, words: str) -> bool:
    return words in server.data.with_name(f"{server.data.name}.log").read_text()


def new_card(folder: Path, **options: object) -> None:
    """A model that accepts what another one does."""
    text = (Path(cards.__file__).parent / "kling-v2-6.toml").read_text()
    (folder / "new-1.toml").write_text(text.replace('id = "kling-v2-6"', 'id = "harbour-cam"'))
    rows = [f"{name} = {value!r}" for name, value in options.items()]
    (folder / "new-2.toml").write_text("\n".join(['id = "harbour-cam"', "[engine]", *rows]))


def test_a_new_card_is_served_by_server_and_worker_while_an_attempt_runs(server: Server) -> None:
    eventually(lambda: ready(server), "readiness")
    signals = server.data.with_name("signals")
    (worker,) = server.workers()
    assert "harbour-cam" not in models(server)
    running = server.submit({"prompt": "hold"})
    eventually(lambda: (signals / "half").exists() or None, "a running attempt")
    new_card(server.data.with_name("cards"), name="colour", signals=str(signals), fps=8)
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: "harbour-cam" in models(server), "the new model")
    assert "harbour-cam" in server.http.get("/openapi.json").text
    made = server.submit({"prompt": "a harbour at dawn"}, model="harbour-cam")
    (signals / "go on").touch()
    assert server.ended(running)["status"] == "success"
    assert server.ended(made)["status"] == "success"
    assert server.workers() == [worker], "no worker was replaced"


def test_a_bad_card_changes_nothing_and_is_told(server: Server) -> None:
    before = models(server)
    bad = server.data.with_name("cards") / "bad.toml"
    bad.write_text('id = "kling-v2-6"\n[engine]\nname = "animatc"\n')
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: said(server, "cards stay as they were") or None, "the reason in the log")
    assert said(server, "engine 'animatc' is not installed")
    bad.unlink()
    assert models(server) == before


def test_a_catalogue_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    settings = Settings.load(flags={"data": str(tmp_path), "cards": str(tmp_path)}, environ={})
    catalogue = load_catalogue(settings)
    before = catalogue.cards
    (tmp_path / "bad.toml").write_text("id = ")
    assert not reload_catalogue(settings, catalogue)
    assert catalogue.cards is before
    (tmp_path / "bad.toml").unlink()
    new_card(tmp_path, name="animatic", height=144, fps=4)
    assert reload_catalogue(settings, catalogue)
    assert catalogue.find("HARBOUR-cam").engine.options == {"height": 144, "fps": 4}
    assert len(catalogue) == len(before) + 1


@pytest.mark.parametrize(
    ("terminal_before", "terminal_now", "expected"),
    [(False, False, "reload"), (True, True, "reload"), (True, False, "leave")],
)
def test_a_hangup_means_reload_unless_the_terminal_is_gone(
    monkeypatch: pytest.MonkeyPatch, terminal_before: bool, terminal_now: bool, expected: str
) -> None:
    done: list[str] = []
    monkeypatch.setattr(hangup.os, "isatty", lambda _: terminal_before)
    told = Hangup(lambda: done.append("reload"), lambda: done.append("leave"))
    monkeypatch.setattr(hangup.os, "isatty", lambda _: terminal_now)
    told()
    assert done == [expected]
