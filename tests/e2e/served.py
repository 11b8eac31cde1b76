"""`rushes serve` as a user starts it: a process of its own on a free port of the loopback, with its workers and
studios. Whatever a test does to it, no process is left when the block ends."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import psutil
from typer.testing import CliRunner

from rushes.cli.app import app
from tests.cards import ALL

T = TypeVar("T")
GMI = "/api/v1/ie/requestqueue/apikey"
KEY = "the-key-of-the-tests"
PROGRAM = [sys.executable, "-m", "rushes"]
START_SECONDS = 60.0
POLL_SECONDS = 0.05
ENDED = ("success", "failed", "cancelled")


def environment(data: Path, **settings: object) -> dict[str, str]:
    """What the process inherits: nothing of the developer's own settings."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    given = {"data": data, "port": 0, "api_key": KEY, "log_format": "json", **settings}
    return mine | {f"RUSHES_{name.upper()}": str(value) for name, value in given.items()}


def write_cards(folder: Path, engine: str, **options: object) -> Path:
    """An operator's folder that has every model made by `engine`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, model in enumerate(ALL):
        rows = [f"{name} = {value!r}" for name, value in options.items()]
        text = [f'id = "{model}"', "[engine]", f'name = "{engine}"', *rows]
        (folder / f"{number}.toml").write_text("\n".join(text) + "\n")
    return folder


def eventually(look: Callable[[], T | None], what: str, within: float = 30.0) -> T:
    """The first true value of `look`."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"in {within:g} s there was no {what}")


class Server:
    def __init__(self, process: subprocess.Popen[str], url: str, data: Path, verify: Any = True) -> None:
        self.process = process
        self.url = url
        self.data = data
        self._seen: dict[int, psutil.Process] = {}
        self.http = httpx2.Client(base_url=url, timeout=30, trust_env=False, verify=verify)

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {KEY}", **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        return self.http.request(method, path, headers=headers, **more)

    def submit(self, payload: dict[str, Any], model: str = "kling-v2-6") -> str:
        answer = self.call("POST", f"{GMI}/requests", {"model": model, "payload": payload})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["request_id"])

    def record(self, request_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"{GMI}/requests/{request_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ended(self, request_id: str, within: float = 30.0) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            record = self.record(request_id)
            return record if record["status"] in ENDED else None

        return eventually(look, f"end of {request_id}", within)

    def states(self, request_id: str) -> Iterator[dict[str, Any]]:
        """The records of the event stream, to the end."""
        headers = {"authorization": f"Bearer {KEY}"}
        path = f"{GMI}/requests/{request_id}/events"
        with self.http.stream("GET", path, headers=headers, timeout=60) as answer:
            assert answer.status_code == 200
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    def fetch(self, url: str) -> httpx2.Response:
        answer = self.http.get(url)
        assert answer.status_code == 200, answer.text
        return answer

    # -- processes -----------------------------------------------------------------------------------------------------

    def family(self) -> list[psutil.Process]:
        """The server and all below it, those seen before included."""
        for process in processes_below(self.process.pid):
            self._seen.setdefault(process.pid, process)
        return [process for process in self._seen.values() if alive(process)]

    def workers(self) -> list[psutil.Process]:
        return [process for process in self.family() if runs(process, "rushes.wiring.work")]

    def studios(self) -> list[psutil.Process]:
        return [process for process in self.family() if runs(process, "rushes.worker.studio")]

    def stop(self, within: float = 30.0) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def kill(self) -> None:
        """End everything, now."""
        for process in self.family():
            kill(process)
        self.process.wait(30)

    def close(self) -> None:
        self.kill()
        self.http.close()
        if self.process.stdout is not None:
            self.process.stdout.close()


def processes_below(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def runs(process: psutil.Process, module: str) -> bool:
    try:
        return module in process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


@contextmanager
def serve(data: Path, verify: Any = True, **settings: object) -> Iterator[Server]:
    """A server that answers; killed with its whole family when the block is left. `data` is made when missing."""
    log = data.with_name(f"{data.name}.log")
    with log.open("a") as errors:
        process = subprocess.Popen(
            [*PROGRAM, "serve"],
            env=environment(data, **settings),
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=data.parent,
        )
    server = None
    try:
        server = Server(process, _welcome(process, log), data, verify)
        yield server
    except BaseException:
        print(log.read_text()[-8000:])
        raise
    finally:
        (server or Server(process, "http://nowhere", data)).close()


def _welcome(process: subprocess.Popen[str], log: Path) -> str:
    """The address in the first line that a start prints."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as ear:
        ear.register(process.stdout, selectors.EVENT_READ)
        assert ear.select(START_SECONDS), "the server said nothing"
    line = process.stdout.readline()
    assert line.startswith("Rushes listens on "), f"{line!r}\n{log.read_text()}"
    return line.split()[3]


def refused(data: Path, **settings: object) -> str:
    """What a start that must not succeed says; it ends by itself with a sentence and no traceback."""
    ended = subprocess.run(
        [*PROGRAM, "serve"],
        env=environment(data, **settings),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=START_SECONDS,
        cwd=data.parent,
        check=False,
    )
    return _refusal(ended.returncode, ended.stdout, ended.stderr)


def refused_here(data: Path, **settings: object) -> str:
    """The same of a start within this process, which is a hundred times cheaper. Nothing of it may be left running."""
    threads = threading.active_count()
    env = environment(data, **settings)
    ended = CliRunner().invoke(app, ["serve"], env=dict.fromkeys(os.environ.keys() - env.keys()) | env)
    assert isinstance(ended.exception, SystemExit), ended.exception
    assert threading.active_count() == threads
    return _refusal(ended.exit_code, ended.stdout, ended.stderr)


def _refusal(code: int, out: str, told: str) -> str:
    assert code == 1, told
    assert "Traceback" not in told, told
    assert out == ""
    return " ".join(told.split())
