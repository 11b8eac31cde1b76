"""Ranks: one transformer at work on several devices, a process for each.

    leader (the studio)                         followers (`rank.py`)
      loads everything                            load the transformers alone
      a forward begins: Forward, tensors  ──▶     begin the same forward on their share of the tokens
      before each block: on, or stop      ──▶     wait for that word before each block
      the result is gathered                      throw theirs away

Context parallelism splits the tokens of one forward over the devices, and the attention of each block exchanges them
(Ulysses). Every exchange waits for all, so the ranks may only leave a forward together, and at the same block: that is
what the words are for. They go through a line of their own, never through the devices, so nobody waits for a device to
hear them. A follower lives as long as its line; one that fails says why and ends, and then the others are ended, too:
ranks that are out of step are of no use, and a new studio is.
"""

from __future__ import annotations

import math
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from rushes.core.errors import OutOfMemory, SetupError, WorkerLost
from rushes.engines.diffusers.placement import Placement
from rushes.engines.diffusers.recipe import Recipe

MESSAGE_BYTES = 16 * 1024 * 1024
SECONDS_TO_SAY_WHY = 5.0
"""That a rank which made the others fail has for saying so, or for being found dead."""


class Join(msgspec.Struct, frozen=True, tag=True):
    """Load, and meet the others at the file `store`."""

    recipe: Recipe
    folders: dict[str, str]
    placement: Placement
    device: str
    rank: int
    world: int
    store: str


class Move(msgspec.Struct, frozen=True, tag=True):
    """To another rung of the ladder."""

    placement: Placement


class Forward(msgspec.Struct, frozen=True, tag=True):
    """Call transformer `number`. `call` is its arguments with a `Tensor` for each that follows by broadcast; `even`
    says that the tokens can be shared out in equal parts."""

    number: int
    even: bool
    call: Any


class Word(msgspec.Struct, frozen=True, tag=True):
    """Before a block: go on, or leave the forward."""

    on: bool


class Ready(msgspec.Struct, frozen=True, tag=True):
    pass


class Fallen(msgspec.Struct, frozen=True, tag=True):
    reason: str
    memory: bool = False


Ask: TypeAlias = Join | Move | Forward | Word
ASKS: msgspec.msgpack.Decoder[Ask] = msgspec.msgpack.Decoder(Ask)
ANSWERS: msgspec.msgpack.Decoder[Ready | Fallen] = msgspec.msgpack.Decoder(Ready | Fallen)


class Alone:
    """What stands in for ranks where there is one device."""

    world = 1
    broken = False

    def lead(self, models: Sequence[Any]) -> None:
        """Nobody follows."""

    def say(self, on: bool) -> None:
        """Nobody listens."""

    def move(self, placement: Placement) -> None:
        """Nobody comes along."""

    def settle(self) -> None:
        """Nothing is out of step."""

    def explain(self, error: BaseException) -> BaseException:
        return error

    def close(self) -> None:
        """Nothing was opened."""


class Ranks(Alone):
    """The leader's side: it starts the followers at once, so that they load while it does. One thread uses it."""

    def __init__(
        self, recipe: Recipe, folders: Mapping[str, Path], placement: Placement, devices: Sequence[str]
    ) -> None:
        self.world = len(devices)
        self._device = devices[0]
        self._meeting = tempfile.TemporaryDirectory(prefix="rushes-ranks-")
        self._store = str(Path(self._meeting.name) / "store")
        self._in_step = True
        self._fallen = threading.Event()
        self._why: WorkerLost | OutOfMemory | None = None
        self._lock = threading.Lock()
        self._followers = [_start() for _ in devices[1:]]
        self._ready: queue.SimpleQueue[bool] = queue.SimpleQueue()
        for rank, (process, line) in enumerate(self._followers, 1):
            threading.Thread(target=self._hear, args=[rank, process, line], daemon=True).start()
            paths = {name: str(folder) for name, folder in folders.items()}
            join = Join(recipe, paths, placement, devices[rank], rank, self.world, self._store)
            with suppress(OSError):  # its thread says how it ended
                line.send_bytes(msgspec.msgpack.encode(join))

    @property
    def broken(self) -> bool:  # type: ignore[override]
        return self._fallen.is_set()

    def lead(self, models: Sequence[Any]) -> None:
        """Share out the forwards of these from now on. Waits until all have loaded. Raises `WorkerLost`, `OutOfMemory`."""
        for _ in self._followers:
            if not self._ready.get():
                break
        self._check()
        self._in_step = False  # until all have met
        try:
            configs = meet(models, self._device, 0, self.world, self._store)
        except BaseException as error:  # noqa: BLE001 - raised again, by its real name
            raise self.explain(error) from None
        self._in_step = True
        for number, (model, config) in enumerate(zip(models, configs, strict=True)):
            model.register_forward_pre_hook(self._opening(number, config), with_kwargs=True, prepend=True)
            model.register_forward_hook(self._ending)

    def say(self, on: bool) -> None:
        """The word before a block of a forward that is under way."""
        if not self._in_step:
            self._send(Word(on))
            self._in_step = not on

    def move(self, placement: Placement) -> None:
        self._send(Move(placement))

    def settle(self) -> None:
        """After a job: whoever is still inside a forward will never get out of it."""
        if not self._in_step:
            self._fall(WorkerLost("a forward broke off, and the ranks of the studio are out of step"))

    def explain(self, error: BaseException) -> BaseException:
        """Why it really failed: a rank that is gone makes the others fail with words of the network."""
        from rushes.engines.diffusers.loading import is_out_of_memory

        if self._in_step or is_out_of_memory(error):
            return error
        self._fallen.wait(SECONDS_TO_SAY_WHY)
        return self._why or error

    def close(self) -> None:
        import torch.distributed as dist

        self._fall(WorkerLost("the studio is closed"))
        for process, line in self._followers:
            process.wait()
            line.close()
        self._meeting.cleanup()
        if dist.is_initialized():
            dist.destroy_process_group()

    def _check(self) -> None:
        if self._why is not None:
            raise self._why

    def _opening(self, number: int, config: Any) -> Callable[..., None]:
        import torch.distributed as dist

        def open_forward(model: Any, args: Any, kwargs: Any) -> None:
            self._check()
            tensors: list[Any] = []
            call = packed({"args": list(args), "kwargs": kwargs}, tensors)
            config.ulysses_anything = not (even := deals_out_evenly(model, self.world, kwargs))
            self._in_step = False
            self._send(Forward(number, even, call))
            for tensor in tensors:
                dist.broadcast(tensor.to(self._device).contiguous(), 0)

        return open_forward

    def _ending(self, *_: Any) -> None:
        self._in_step = True

    def _send(self, ask: Ask) -> None:
        data = msgspec.msgpack.encode(ask)
        for _, line in self._followers:
            with suppress(OSError):  # its thread says how it ended
                line.send_bytes(data)

    def _hear(self, rank: int, process: subprocess.Popen[bytes], line: Connection) -> None:
        name = f"rank {rank} of {self.world}"
        try:
            while isinstance(told := ANSWERS.decode(line.recv_bytes(MESSAGE_BYTES)), Ready):
                self._ready.put(True)
            kind = OutOfMemory if told.memory else WorkerLost
            self._fall(kind(f"{name} of the studio gave up: {told.reason}"))
        except (EOFError, OSError):
            self._fall(WorkerLost(f"worker lost: {name} of the studio {_ending_of(process.wait())}"))

    def _fall(self, why: WorkerLost | OutOfMemory) -> None:
        """End what is left of the ranks; the first reason counts. Any thread."""
        with self._lock:
            if self._why is None:
                self._why = why
                for process, _ in self._followers:
                    process.kill()
        self._fallen.set()
        self._ready.put(False)
        _abort()


def meet(models: Sequence[Any], device: str, rank: int, world: int, store: str) -> list[Any]:
    """Join the group, and let the blocks of these exchange their tokens. Returns the configuration of each."""
    import torch
    import torch.distributed as dist
    from diffusers import ContextParallelConfig
    from torch.distributed.device_mesh import init_device_mesh

    kind = device.partition(":")[0]
    if kind == "cuda":
        torch.cuda.set_device(device)
    elif torch.accelerator.device_count() == 0:  # diffusers divides by it, and a CPU counts as none
        setattr(torch.accelerator, "device_count", lambda: 1)  # noqa: B010
    backend = "nccl" if kind == "cuda" else "gloo"
    dist.init_process_group(backend, store=dist.FileStore(store, world), rank=rank, world_size=world)
    mesh = init_device_mesh(kind, (1, world), mesh_dim_names=("ring", "ulysses"))
    configs = []
    for model in models:
        config = ContextParallelConfig(ulysses_degree=world, mesh=mesh)
        try:
            model.enable_parallelism(config=config)
        except ValueError as error:
            raise SetupError(
                f"lever context_parallel cannot be had here: {error}",
                advice="Take it off the recipe or the card, or name an attention kernel that it knows.",
            ) from error
        configs.append(config)
    return configs


def deals_out_evenly(model: Any, world: int, kwargs: Mapping[str, Any]) -> bool:
    """Whether heads, tokens and the prompt's tokens can be dealt out in equal parts, which is the faster way."""
    hidden = kwargs["hidden_states"]
    counts = [model.config.num_attention_heads, kwargs["encoder_hidden_states"].shape[1]]
    if hidden.ndim == 5:
        patch = model.config.patch_size
        counts.append(math.prod(size // side for size, side in zip(hidden.shape[2:], patch, strict=True)))
    else:
        counts.append(hidden.shape[1])
    return all(count % world == 0 for count in counts)


def packed(value: Any, tensors: list[Any]) -> Any:
    """`value` for a message: tensors are taken out, into `tensors`, and leave their shape and kind."""
    import torch

    if isinstance(value, torch.Tensor):
        tensors.append(value)
        return {"tensor": [list(value.shape), str(value.dtype).removeprefix("torch.")]}
    if isinstance(value, Mapping):
        return {"table": {name: packed(inner, tensors) for name, inner in value.items()}}
    if isinstance(value, list | tuple):
        return {"tuple" if isinstance(value, tuple) else "list": [packed(inner, tensors) for inner in value]}
    return {"plain": value}


def unpacked(packed: Mapping[str, Any], device: str) -> Any:
    """The value again; its tensors are received in the order in which they were taken out."""
    import torch
    import torch.distributed as dist

    ((kind, inner),) = packed.items()
    if kind == "tensor":
        shape, name = inner
        tensor = torch.empty(shape, dtype=getattr(torch, name), device=device)
        dist.broadcast(tensor, 0)
        return tensor
    if kind == "table":
        return {name: unpacked(value, device) for name, value in inner.items()}
    if kind == "plain":
        return inner
    values = [unpacked(value, device) for value in inner]
    return tuple(values) if kind == "tuple" else values


def _start() -> tuple[subprocess.Popen[bytes], Connection]:
    """A follower stays in the studio's process group, which is killed as one."""
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rushes.engines.diffusers.rank", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return process, ours


def _abort() -> None:
    """Free whoever waits in an exchange with a rank that is gone. A CPU's network notices by itself."""
    dist = sys.modules.get("torch.distributed")
    if dist is not None and dist.is_initialized() and dist.get_backend() == "nccl":
        import torch

        dist.group.WORLD._get_backend(torch.device("cuda")).abort()


def _ending_of(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
