"""How kernels are compiled: numba, float32, without Python's lock, kept on disk between runs (`cache`).

A kernel, and what OpenCV does, runs in the thread that calls it. Cores are shared out by frames (`ahead`), not inside them: that needs no
waiting for one another and compiles in half the time.
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
