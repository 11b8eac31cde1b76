"""The house as it is measured: `rushes serve` as a process of its own over a temporary folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import psutil

from bench.load import ROOT
from bench.raw import Answer

KEY_HEADER = "authorization: Bearer "
REQUESTS = "/api/v1/ie/requestqueue/apikey/requests"


class Process:
    """A server that listens on the loopback's `port`."""

    def __init__(self, own: psutil.Process, port: int) -> None:
        self.own = own
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu(self) -> float:
        """Seconds of processor time that it has used so far."""
        return seconds(self.own)

    def cpu_of_each(self) -> dict[psutil.Process, float]:
        """The same of the server and of every process that it has started; what has ended by now is left out."""
        found = {}
        for process in (self.own, *self.below()):
            with suppress(psutil.NoSuchProcess):
                found[process] = seconds(process)
        return found

    def below(self) -> list[psutil.Process]:
        return list(self.own.children(recursive=True))


def seconds(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def spent(before: Mapping[psutil.Process, float], after: Mapping[psutil.Process, float]) -> float:
    """Seconds of processor time between two readings of each. Who has ended in between took his count along: what he
    had used before is no gain, and what he used since is lost."""
    return sum(used - before.get(process, 0.0) for process, used in after.items())


class Served(Process):
    """The house, with its first key."""

    def __init__(self, own: psutil.Process, port: int, key: str, data: Path, ready: float) -> None:
        super().__init__(own, port)
        self.key = key
        self.data = data
        self.ready_after = ready
        self.http = httpx2.Client(
            base_url=self.url, headers={"authorization": f"Bearer {key}"}, timeout=60, trust_env=False
        )

    def head(self, method: str, path: str) -> str:
        """The first lines of a call with the key."""
        return f"{method} {path} HTTP/1.1\r\nauthorization: Bearer {self.key}"

    def submit(
        self, prompt: str = "a boat on a lake at dawn", model: str = "kling-v2-6", **payload: Any
    ) -> str:
        body = {"model": model, "payload": {"prompt": prompt, **payload}}
        answer = self.http.post(REQUESTS, json=body).raise_for_status()
        return str(answer.json()["request_id"])

    def record(self, request_id: str) -> dict[str, Any]:
        return dict(self.http.get(f"{REQUESTS}/{request_id}").raise_for_status().json())

    def ended(self, request_id: str) -> dict[str, Any]:
        """The record of a success, as soon as there is one. Raises `RuntimeError` for any other end."""
        while True:
            path = f"{REQUESTS}/{request_id}"
            record = dict(self.http.get(path, params={"wait": "50"}).raise_for_status().json())
            if record["status"] == "success":
                return record
            if record["status"] in ("failed", "cancelled"):
                raise RuntimeError(f"{request_id} ended as {record['status']}: {record.get('error')}")


@contextmanager
def serve(folder: Path, **settings: object) -> Iterator[Served]:
    """`rushes serve` on a free port with the settings given, and its data in `folder`; ended with all its children."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    given = {"data": folder / "data", "port": 0, "log_format": "json", **settings}
    started = time.perf_counter()
    with (folder / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rushes", "serve"],
            env=mine | {f"RUSHES_{name.upper()}": str(value) for name, value in given.items()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        ready = time.perf_counter() - started
        if not line.startswith("Rushes listens on "):
            raise RuntimeError(f"the house did not start: {(folder / 'serve.log').read_text()[-2000:]}")
        key = (folder / "data" / "key").read_text().strip()
        port = int(line.split()[3].rpartition(":")[2].rstrip("/"))
        house = Served(psutil.Process(process.pid), port, key, folder / "data", ready)
        with closing(house.http):
            yield house
    finally:
        _end(process)


@contextmanager
def serve_raw(answer: httpx2.Response) -> Iterator[Process]:
    """A bare application that gives the same `answer` to every call."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.raw"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        wanted = [(name, value) for name, value in answer.headers.multi_items() if name != "date"]
        process.stdin.write(msgspec.json.encode(Answer(wanted, answer.text)).decode() + "\n")
        process.stdin.flush()
        yield Process(psutil.Process(process.pid), int(process.stdout.readline()))
    finally:
        process.stdin.close()
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.kill()
    process.wait()
    for child in family:
        if child.is_running():
            child.kill()
    if process.stdout is not None:
        process.stdout.close()
