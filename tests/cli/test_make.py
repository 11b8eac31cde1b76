"""`rushes generate` and `rushes submit`, on a server and here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from rushes.cli.local import LocalClient
from rushes.core.request import Outcome, Phase, Status
from rushes.settings import Settings
from rushes.wiring.house import House, open_house
from tests.cli.conftest import Rushes
from tests.client.loopback import KEY, VIDEO, Loopback
from tests.e2e.served import processes_below, write_cards
from tests.engines.installed import install_colour_engine

PNG = b"\x89PNG\r\n\x1a\nrest"


def test_generate_on_a_server(rushes: Rushes, server: Loopback) -> None:
    result = rushes(
        "generate", "sea at dawn", "--url", server.url, "--key", KEY, "-o", "out.mp4",
        "--duration", 10, "--sound", "--seed", 7, "--aspect-ratio", "9:16", "--cfg-scale", 0.25, "--mode", "pro",
        "--negative-prompt", "fog",
    )  # fmt: skip
    assert Path("out.mp4").read_bytes() == VIDEO
    assert server.submits[0].fields == {
        "prompt": "sea at dawn",
        "duration": "10",
        "sound": True,
        "seed": 7,
        "aspect_ratio": "9:16",
        "cfg_scale": 0.25,
        "mode": "pro",
        "negative_prompt": "fog",
    }
    assert result.stdout.splitlines() == [
        "out.mp4",
        "            1920×1080, 24 fps, 5 s, silent, seed 7, by animatic",
        "understood  sea, dawn",
        "ignored     unicorn",
        "warning     the picture hardly moves",
    ]
    assert result.stderr.splitlines() == ["r1 rendering, 50 %", "r1 success"]


def test_what_was_not_asked_is_not_sent(rushes: Rushes, server: Loopback) -> None:
    rushes("generate", "sea", "--url", server.url)
    assert server.submits[0].fields == {"prompt": "sea"}
    assert Path("r1.mp4").read_bytes() == VIDEO


def test_generate_for_programs(rushes: Rushes, server: Loopback) -> None:
    told = json.loads(rushes("generate", "sea", "--url", server.url, "--json", "-o", "x.mp4").stdout)
    assert (told["path"], told["status"], told["outcome"]["understood"]) == (
        "x.mp4",
        "success",
        ["sea", "dawn"],
    )


@pytest.mark.parametrize("sent", ["https://x.example/cat.jpg", "data:image/png;base64,AA=="])
def test_an_image_by_url_is_passed_on(rushes: Rushes, server: Loopback, sent: str) -> None:
    rushes("submit", "a cat", "--image", sent)
    assert server.submits[0].fields["image"] == sent


def test_an_image_file_is_read(rushes: Rushes, server: Loopback) -> None:
    Path("cat.png").write_bytes(PNG)
    rushes("submit", "a cat", "--image", "cat.png")
    assert server.submits[0].fields["image"].startswith("data:image/png;base64,")
    result = rushes("submit", "a cat", "--image", "dog.png", status=1)
    assert (
        result.stderr.splitlines()[0] == "Error: the image dog.png cannot be read: No such file or directory"
    )


def test_submit_tells_the_id(rushes: Rushes, server: Loopback) -> None:
    assert rushes("submit", "sea").stdout == "r1\n"
    assert json.loads(rushes("submit", "sea", "--json").stdout)["id"] == "r2"


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"status": Status.FAILED, "error": "image is 299×400"}, "request r1 failed: image is 299×400"),
        ({"status": Status.CANCELLED}, "request r1 cancelled: the request was cancelled"),
    ],
)
def test_a_bad_end_is_one_line(rushes: Rushes, server: Loopback, step: dict[str, Any], reason: str) -> None:
    server.script = (step,)
    result = rushes("generate", "sea", "--url", server.url, "-o", "out.mp4", status=1)
    assert f"Error: {reason}" in result.stderr
    assert result.stdout == ""
    assert not Path("out.mp4").exists()


def test_the_folder_of_the_output_is_checked_first(rushes: Rushes, server: Loopback) -> None:
    result = rushes("generate", "sea", "--url", server.url, "-o", "no/where/out.mp4", status=1)
    assert "does not exist" in result.stderr
    assert not server.submits


@pytest.mark.parametrize("words", [("generate",), ("generate", "a", "b"), ("generate", "a", "--seed", "x")])
def test_wrong_use_is_status_2(rushes: Rushes, words: tuple[str, ...]) -> None:
    rushes(*words, status=2)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_cancel(server: Loopback, number: signal.Signals, status: int) -> None:
    server.script = ({"status": Status.PROCESSING, "phase": "render", "progress": 0.1},)
    command = [sys.executable, "-m", "rushes", "generate", "sea", "--url", server.url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "r1 rendering\n"
        process.send_signal(number)
        assert process.stderr.read() == "cancelled request r1\n"
        assert process.wait(10) == status
    assert server.requests["r1"].status is Status.CANCELLED


# -- without a server -----------------------------------------------------------------------------------------------


def work(house: House) -> None:
    """One attempt as a worker makes it, but for the picture."""
    lease = None
    while lease is None:
        lease = house.ledger.claim("w", [card.id for card in house.catalogue]).lease
    house.ledger.beat(lease, Phase.RENDER, 0.5)
    video = f"{lease.request_id}/{lease.fence}.mp4"
    house.store.put(video, VIDEO)
    report = {"understood": ["sea"], "ignored": ["unicorn"]}
    outcome = Outcome(video=video, thumbnail="t.jpg", width=64, height=36, fps=24, seconds=5, report=report)
    house.ledger.finish(lease, outcome)


@pytest.fixture
def house() -> Iterator[House]:
    with open_house(Settings.load()) as made:
        yield made


def test_here_as_there(house: House, tmp_path: Path) -> None:
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            work(house)

    client = LocalClient(house, pause)
    request = client.submit("kling-v2-6", "sea", seed=3)
    views = list(client.watch(request.id))
    assert [view.status for view in views] == [Status.QUEUED, Status.SUCCESS]
    assert views[-1].outcome is not None
    assert views[-1].outcome.understood == ("sea",)
    assert client.download(views[-1], tmp_path / "a.mp4").read_bytes() == VIDEO


def test_cancel_here(house: House) -> None:
    client = LocalClient(house)
    request = client.submit("kling-v2-6", "sea")
    assert client.cancel(request.id).status is Status.CANCELLED


def test_generate_here(rushes: Rushes, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def local_house(settings: Settings) -> Iterator[House]:
        with open_house(settings) as house:
            worker = threading.Thread(target=work, args=(house,))
            worker.start()
            yield house
            worker.join()

    monkeypatch.setattr("rushes.wiring.local.local_house", local_house)
    result = rushes("generate", "a sea with a unicorn", "-o", "out.mp4")
    assert Path("out.mp4").read_bytes() == VIDEO
    assert "ignored     unicorn" in result.stdout


def test_sigterm_leaves_nothing_behind_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_colour_engine(tmp_path / "site", monkeypatch)
    cards, scratch = write_cards(tmp_path / "cards", "colour", signals=str(tmp_path)), tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    command = [sys.executable, "-m", "rushes", "generate", "wait", "--cards", str(cards), "-o", "out.mp4"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stderr is not None
        while "rendering" not in process.stderr.readline():
            assert process.poll() is None
        family = processes_below(process.pid)
        assert family
        process.send_signal(signal.SIGTERM)
        assert "cancelled request" in process.stderr.read()
        assert process.wait(20) == 143
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert list(scratch.iterdir()) == []
    assert not Path("out.mp4").exists()


def test_a_bad_parameter_is_named_here(rushes: Rushes) -> None:
    result = rushes("generate", "sea", "--duration", 7, status=1)
    assert "Error: duration: is '7'" in result.stderr
    assert "5, 10" in result.stderr
