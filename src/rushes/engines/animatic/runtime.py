"""How kernels are compiled: numba, float32, without Python's lock, kept on disk between runs (`cache`).

A kernel, and what OpenCV does, runs in the thread that calls it. Cores are shared out by frames (`ahead`), not inside
them: that needs no waiting for one another and compiles in half the time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import cv2
import numba
import numpy as np
import numpy.typing as npt
from llvmlite import binding  # type: ignore[import-untyped]
from numba import extending
from numba.core import cgutils, types
from numba.np import arrayobj

from rushes.engines.animatic.cache import open_folder

Plane: TypeAlias = npt.NDArray[Any]
"""An array of float32. (OpenCV's stubs do not tell element types, so neither does this.)"""
Bytes: TypeAlias = npt.NDArray[np.uint8]
Real: TypeAlias = Any
"""A float32 inside a kernel, where numba and not mypy infers types."""
F = TypeVar("F", bound=Callable[..., Any])

settings: Any = numba.config
FOLDER = Path(settings.CACHE_DIR or open_folder(binding.get_host_cpu_name()))
"""Where this process finds and leaves compiled kernels."""
settings.CACHE_DIR = str(FOLDER)
cv2.setNumThreads(1)


def kernel(function: F) -> F:
    """Compile `function` on first call."""
    return cast(F, numba.njit(nogil=True, fastmath=True, error_model="numpy", cache=True)(function))


def inner(function: F) -> F:
    """Compile a helper that kernels call in their innermost loop; it is always inlined."""
    return cast(F, numba.njit(fastmath=True, error_model="numpy", forceinline=True)(function))


f4: Any = np.float32
i4: Any = np.int32
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
