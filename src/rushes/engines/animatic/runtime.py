"""How kernels are compiled: numba, float32, one loop over rows in parallel, kept on disk between runs (`cache`).

The threading layer is `workqueue`: it is in every wheel, and since every kernel writes each pixel from one iteration,
bytes do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

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
settings.THREADING_LAYER = "workqueue"


def kernel(function: F) -> F:
    """Compile `function`, whose outer loop is a `prange`, on first call."""
    return cast(F, numba.njit(parallel=True, fastmath=True, error_model="numpy", cache=True)(function))


def inner(function: F) -> F:
    """Compile a helper that kernels call in their innermost loop; it is always inlined."""
    return cast(F, numba.njit(fastmath=True, error_model="numpy", forceinline=True)(function))


prange = numba.prange
f4: Any = np.float32
i4: Any = np.int32
