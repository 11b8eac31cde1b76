"""What the house takes while nobody asks for anything."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import psutil

from bench.figures import Figure, middle
from bench.house import Served, serve

STARTS = 3
IDLE_SECONDS = 10.0
MIB = 1024 * 1024


def resident(process: psutil.Process) -> float:
    """MiB, pages shared with other processes counted by share."""
    return float(process.memory_full_info().pss) / MIB


def used(house: Served) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in (house.own, *house.below()))


def resting() -> list[Figure]:
    starts = []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as folder, serve(Path(folder), workers=0) as house:
            starts.append(house.ready_after)
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), workers=1) as house:
        while not house.below() or "worker started" not in (Path(folder) / "serve.log").read_text():
            time.sleep(0.1)
        time.sleep(2)
        before = used(house)
        time.sleep(IDLE_SECONDS)
        share = (used(house) - before) / IDLE_SECONDS * 100
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
