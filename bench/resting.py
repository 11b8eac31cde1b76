"""What the house takes while nobody asks for anything."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import psutil

from bench.figures import Figure, middle
from bench.house import Process, serve, spent

STARTS = 3
IDLE_SECONDS = 10.0
MIB = 1024 * 1024
WORKER = "rushes.wiring.work"
"""The module that a worker's process runs."""


def resident(process: psutil.Process) -> float:
    """MiB, pages shared with other processes counted by share."""
    return float(process.memory_full_info().pss) / MIB


def at_rest(house: Process) -> bool:
    """Whether workers are all that the server has below it: an engine that is being prepared, as after every change of
    its kernels, is work."""
    try:
        return all(WORKER in process.cmdline() for process in house.below())
    except psutil.NoSuchProcess:
        return False


def resting() -> list[Figure]:
    starts = []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as folder, serve(Path(folder), workers=0) as house:
            starts.append(house.ready_after)
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), workers=1) as house:
        while "worker started" not in (Path(folder) / "serve.log").read_text():
            time.sleep(0.1)
        time.sleep(2)
        while not at_rest(house):
            time.sleep(0.5)
        before = house.cpu_of_each()
        time.sleep(IDLE_SECONDS)
        share = spent(before, house.cpu_of_each()) / IDLE_SECONDS * 100
        server = resident(house.own)
        worker = sum(resident(process) for process in house.below())
        plain = sum(process.memory_info().rss for process in (house.own, *house.below())) / MIB
    return [
        Figure(
            what="memory of server and idle worker, no studio",
            against="–",
            value=plain,
            unit=" MiB",
            at_most=200.0,
            told=f"resident; shared pages counted once: server {server:.0f}, worker {worker:.0f}",
        ),
        Figure(
            what="start to ready",
            against="–",
            value=middle(starts),
            unit=" s",
            at_most=2.0,
            told=f"until the first line is printed and calls are answered; middle of {STARTS} first starts",
        ),
        Figure(
            what="idle processor time",
            against="one core",
            value=share,
            unit=" %",
            at_most=1.0,
            told=f"server and worker together, over {IDLE_SECONDS:.0f} s",
        ),
    ]
