"""How kernels are compiled: numba, float32, one loop over rows in parallel, kept on disk between runs.

The cache lives in a per-user folder named after the version, the CPU and the sources (numba checks only the file of
the outermost function, so an edited helper would otherwise go unnoticed). `NUMBA_CACHE_DIR`, where the user set it,
wins. The threading layer is `workqueue`: it is in every wheel, and since every kernel writes each pixel from one
iteration, bytes do not depend on the number of threads.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt
from llvmlite import binding  # type: ignore[import-untyped]
from platformdirs import user_cache_path

from rushes import __version__

Plane: TypeAlias = npt.NDArray[Any]
"""An array of float32. (OpenCV's stubs do not tell element types, so neither does this.)"""
Bytes: TypeAlias = npt.NDArray[np.uint8]
Real: TypeAlias = Any
"""A float32 inside a kernel, where numba and not mypy infers types."""
F = TypeVar("F", bound=Callable[..., Any])


def _cache_folder() -> Path:
    sources = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        sources.update(path.read_bytes())
    name = f"{__version__}-{binding.get_host_cpu_name()}-{sources.hexdigest()[:12]}"
    folder = user_cache_path("rushes") / "kernels" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        # A read-only home still renders; it only compiles again in the next process.
        return Path(tempfile.mkdtemp(prefix="rushes-kernels-"))


if "NUMBA_CACHE_DIR" not in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = str(_cache_folder())

import numba  # noqa: E402  (its settings are read once, when it is imported)

settings: Any = numba.config
settings.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]
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
