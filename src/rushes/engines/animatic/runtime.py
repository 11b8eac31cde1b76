"""How kernels are compiled: numba, float32, without Python's lock, kept on disk between runs (`cache`).

A kernel, and what OpenCV does, runs in the thread that calls it. Cores are shared out by frames (`ahead`), not inside
them: that needs no waiting for one another and compiles in half the time.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import cv2
import numba
import numpy as np
import numpy.typing as npt
from llvmlite import binding  # type: ignore[import-untyped]
from numba import extending
from numba.core import cgutils, types
from numba.np import arrayobj

from rushes.engines.animatic.cache import is_kept, open_folder, turn

Plane: TypeAlias = npt.NDArray[Any]
"""An array of float32. (OpenCV's stubs do not tell element types, so neither does this.)"""
Bytes: TypeAlias = npt.NDArray[np.uint8]
Real: TypeAlias = Any
"""A float32 inside a kernel, where numba and not mypy infers types."""
F = TypeVar("F", bound=Callable[..., Any])

FOLDER = open_folder(binding.get_host_cpu_name())
"""Where this process finds and leaves compiled kernels."""
settings: Any = numba.config
settings.CACHE_DIR = str(FOLDER)
cv2.setNumThreads(1)

FAST: dict[str, Any] = {"fastmath": True, "error_model": "numpy", "no_cfunc_wrapper": True}
"""Nobody calls what is compiled from C: a wrapper for that would only have to be compiled as well."""

kernels: dict[str, Kernel] = {}
"""Those of the rooms that this process has imported, by name."""


@contextmanager
def uncollected() -> Iterator[None]:
    """The compiler makes so many objects that looking for rubbish among them takes a fifth of its time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Kernel:
    """A function that is compiled, or read from disk, when it is first called or asked to be `ready`. It has one
    signature: other arguments are converted, or refused with a `TypeError`, and never compiled for."""

    def __init__(self, function: Callable[..., None], signature: str) -> None:
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__.strip('_')}"
        self.is_ready = False
        self.length = len(function.__code__.co_code)
        self._signature = f"({signature},)"
        self._compiled: Any = numba.njit(nogil=True, cache=True, **FAST)(function)
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any) -> None:
        if not self.is_ready:
            self.ready()
        self._compiled(*arguments)

    def is_kept(self) -> bool:
        """Whether it only has to be read from disk."""
        return is_kept(FOLDER, self.name)

    def ready(self, wait: bool = True) -> bool:
        """Make it ready, unless another process is just doing so and this one is not to `wait`; returns whether it is."""
        with self._lock:
            if not self.is_ready:
                with turn(FOLDER, self.name, wait) as ours:
                    if ours:
                        with uncollected():
                            self._compiled.compile(self._signature)
                        self._compiled.disable_compile()
                        self.is_ready = True
            return self.is_ready


def kernel(signature: str) -> Callable[[Callable[..., None]], Kernel]:
    """Compile the function for arguments of these types, in numba's notation."""

    def made(function: Callable[..., None]) -> Kernel:
        new = Kernel(function, signature)
        kernels[new.name] = new
        return new

    return made


def make_ready(tell: Callable[[int], None], first: Callable[[], Sequence[str]] = tuple) -> None:
    """Make all `kernels` ready, beside other processes that do the same: what one is at, others leave until nothing else
    is left. `tell` is told before each how many are missing; `first` is asked each time which shall come first."""
    while missing := {name: kernel for name, kernel in kernels.items() if not kernel.is_ready}:
        tell(len(missing))
        order = [missing[name] for name in dict.fromkeys((*first(), *missing)) if name in missing]
        if not any(kernel.ready(wait=False) for kernel in order):
            order[0].ready()


def inner(function: F) -> F:
    """Let kernels have `function` in their innermost loops: it is compiled with them, always inlined. For Python it stays
    as it is."""
    options = FAST | {"forceinline": True, "no_cpython_wrapper": True}
    return extending.register_jitable(**options)(function)


f4: Any = np.float32
i4: Any = np.int32
i8: Any = np.int64
u4: Any = np.uint32
u8: Any = np.uint64
"""Indices without a sign: with one, numba asks of each whether it counts from the end."""


def _on_stack(context: Any, count: Any, kind: Any) -> Any:
    if not isinstance(count, types.IntegerLiteral):
        return None
    length = count.literal_value
    array = types.Array(kind.dtype, 1, "C")

    def lower(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = cgutils.alloca_once(builder, target.get_data_type(kind.dtype), size=length)  # type: ignore[no-untyped-call]
        data.align = 64
        made = target.make_array(array)(target, builder)
        four, many = target.get_constant(types.intp, 4), target.get_constant(types.intp, length)
        arrayobj.populate_array(made, data=data, shape=[many], strides=[four], itemsize=four, meminfo=None)  # type: ignore[no-untyped-call]
        return made._getvalue()

    return array(count, kind), lower


scratch: Any = extending.intrinsic(_on_stack)
"""`scratch(count, kind)` in a kernel: an array of so many numbers, a constant, of a `kind` of four bytes, on the stack.

The compiler knows that nothing else lies there, so a loop that reads maps and writes here is vectorised; one that writes
to an array from `np.empty` is not."""
