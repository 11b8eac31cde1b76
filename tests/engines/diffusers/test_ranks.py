"""One studio on several devices: here a CPU that stands for two, with a network of its own between them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from rushes.core.errors import Cancelled, SetupError, WorkerLost
from rushes.engines.contract import Recorder
from rushes.engines.diffusers import DiffusersEngine, machine, ranks
from rushes.engines.diffusers.recipe import GIB
from tests.engines.diffusers.conftest import Studio
from tests.engines.diffusers.test_render import frames, pipe_of

pytestmark = pytest.mark.filterwarnings("ignore:.*all_gather_tensor:FutureWarning")
TWO = {"context_parallel": 2}


def followers(parent: int) -> list[psutil.Process]:
    """The ranks among the children of `parent` that live; what other tests left, ended and not waited for, is none."""
    alive = [c for c in psutil.Process(parent).children() if c.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "rushes.engines.diffusers.rank" in child.cmdline()]


@pytest.fixture
def engine(studio: Studio) -> Iterator[DiffusersEngine]:
    made = studio.loaded("wan22-text", levers=TWO)
    yield made
    made.unload()
    assert followers(os.getpid()) == []


class StopsAtBlock(Recorder):
    """Cancelled from the moment that the second block of a step begins."""

    at_block = False

    @property
    def cancelled(self) -> bool:
        return self.at_block


def test_two_ranks_make_the_clip_of_one_and_leave_a_step_together(
    studio: Studio, engine: DiffusersEngine
) -> None:
    alone = frames(studio.loaded("wan22-text"))
    together = frames(engine)
    assert np.abs(alone.astype(int) - together.astype(int)).max() <= 1
    assert together.std() > 1
    blocks, control, ran = pipe_of(engine).transformer.blocks, StopsAtBlock(), []
    first = blocks[0].register_forward_hook(lambda *_: setattr(control, "at_block", True))
    second = blocks[1].register_forward_pre_hook(lambda *_: ran.append(1))
    with pytest.raises(Cancelled):
        frames(engine, control=control)
    assert ran == [], "the second block still ran"
    first.remove()
    second.remove()
    assert np.array_equal(together, frames(engine)), "the follower is where the leader is"
    (child,) = followers(os.getpid())
    child.send_signal(signal.SIGTERM)
    child.send_signal(signal.SIGINT)  # only the leader ends it
    child.kill()
    with pytest.raises(WorkerLost, match="worker lost: rank 1 of 2 of the studio was killed by SIGKILL"):
        frames(engine)
    with pytest.raises(WorkerLost, match="out of step"):
        frames(engine)


@pytest.mark.parametrize(
    ("latents", "words", "heads", "world", "even"),
    [
        ((21, 90, 160), 512, 40, 8, True),  # Wan A14B at 720p
        ((31, 46, 80), 512, 24, 8, True),  # TI2V-5B
        ((3, 6, 10), 512, 40, 2, False),
        ((4, 6, 10), 511, 40, 2, False),
        ((4, 6, 10), 512, 3, 2, False),
    ],
)
def test_equal_parts_are_dealt_out_where_they_can_be(
    latents: tuple[int, int, int], words: int, heads: int, world: int, even: bool
) -> None:
    model = SimpleNamespace(config=SimpleNamespace(patch_size=(1, 2, 2), num_attention_heads=heads))
    call = {"hidden_states": torch.empty(1, 0, *latents), "encoder_hidden_states": torch.empty(1, words, 0)}
    assert ranks.deals_out_evenly(model, world, call) is even


_LEADER = """
import os, signal, sys
from rushes.engines.diffusers.ranks import _start
process, line = _start()
print(process.pid, flush=True)
sys.stdin.read()
"""


def test_a_follower_dies_with_its_leader() -> None:
    """However the leader ends: its end of the line closes with it."""
    with subprocess.Popen(
        [sys.executable, "-c", _LEADER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as leader:
        assert leader.stdout is not None
        follower = psutil.Process(int(leader.stdout.readline()))
        leader.kill()
    with suppress(psutil.NoSuchProcess):
        follower.wait(60)
    assert not follower.is_running()


# -- which devices -------------------------------------------------------------------------------------------------------


def gpus(*sizes: int) -> list[machine.Device]:
    return [
        machine.Device(f"cuda:{number}", "H", size * GIB, size * GIB) for number, size in enumerate(sizes)
    ]


def test_the_largest_gpus_are_taken_or_those_that_are_named(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "devices", lambda: gpus(24, 80, 48, 80))
    for wanted, names in {"auto": "cuda:1 cuda:3", "cuda:2,cuda:0": "cuda:2 cuda:0"}.items():
        assert " ".join(device.name for device in machine.best_devices(wanted, 2)) == names
    options = studio.options("wan21", levers=TWO) | {"device": "cuda:3,cuda:1"}
    footprint = DiffusersEngine(options).footprint()
    assert (footprint.device, footprint.others) == ("cuda:3", ("cuda:1",))
    with pytest.raises(
        SetupError, match=r"context_parallel = 3 wants 3 GPUs; device = 'cuda:0' means 1: cuda:0"
    ):
        machine.best_devices("cuda:0", 3)
    with pytest.raises(
        SetupError, match=r"context_parallel = 1 wants 1 GPUs; device = 'cuda:0,cuda:1' means 2"
    ):
        machine.best_devices("cuda:0,cuda:1", 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"levers": {"context_parallel": 0}}, "context_parallel is 0: it counts GPUs"),
        ({"levers": {**TWO, "first_block_cache": 0.1}}, "context_parallel and the caches exclude each other"),
        ({"family": "cogvideox", "levers": TWO}, "is not known for family 'cogvideox'; it is for wan"),
    ],
)
def test_what_does_not_go_together_is_refused(studio: Studio, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SetupError, match=words):
        studio.engine("wan21", **changes)
    if "family" not in changes:
        with pytest.raises(SetupError, match=words):  # the card's own levers, too
            DiffusersEngine(studio.options("wan21") | {"levers": changes["levers"]})


@pytest.mark.parametrize("device", ["cuda:0,cuda:0", "cuda:0,cpu", "gpu"])
def test_devices_that_cannot_be_are_refused(studio: Studio, device: str) -> None:
    with pytest.raises(SetupError, match="several different cuda:N separated by commas"):
        DiffusersEngine(studio.options("wan21") | {"device": device})


def test_weights_that_come_and_go_do_not_go_with_ranks(studio: Studio) -> None:
    options = studio.options("wan21", levers=TWO) | {"placement": "swap + tiling"}
    with pytest.raises(SetupError, match="'swap \\+ tiling', which does not go with context_parallel"):
        DiffusersEngine(options)
