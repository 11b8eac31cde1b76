"""The GPUs of this machine and their memory, asked of NVIDIA's management library without loading torch."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import psutil

from rushes.core.errors import SetupError


@dataclass(frozen=True)
class Device:
    """`name` as torch spells it ("cuda:0", "cpu"), `model` as its maker does; bytes in all and free now."""

    name: str
    model: str
    total: int
    free: int


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def devices() -> list[Device]:
    """The GPUs that this process may use, in torch's order; empty without NVIDIA's driver."""
    library = _library()
    if library is None:
        return []
    return [device for number in _visible(library) if (device := _device(library, *number)) is not None]


def best_device(wanted: str = "auto") -> Device:
    """The device called `wanted`, or with "auto" the largest GPU, or else the CPU."""
    gpus = devices()
    if wanted.startswith("cuda"):
        name = wanted if ":" in wanted else "cuda:0"
        return next((gpu for gpu in gpus if gpu.name == name), Device(name, "not found", 0, 0))
    if wanted == "auto" and gpus:
        return max(gpus, key=lambda gpu: gpu.total)
    memory = psutil.virtual_memory()
    return Device("cpu", "CPU", memory.total, memory.available)


def best_devices(wanted: str, count: int) -> tuple[Device, ...]:
    """`count` devices, the first of them leading: those named in `wanted`, separated by commas, or with "auto" the
    largest GPUs. A CPU counts as often as it is asked for. Raises `SetupError` where there are not so many."""
    if count == 1 and "," not in wanted:
        return (best_device(wanted),)
    if wanted in ("auto", "cuda"):
        found = tuple(sorted(devices(), key=lambda gpu: -gpu.total)[:count])
    elif wanted == "cpu":
        found = (best_device("cpu"),) * count
    else:
        found = tuple(best_device(name.strip()) for name in wanted.split(","))
    if len(found) != count:
        raise SetupError(
            f"lever context_parallel = {count} wants {count} GPUs; device = '{wanted}' means {len(found)}:"
            f" {', '.join(device.name for device in found) or 'none'}",
            advice='Name as many, such as device = "cuda:0,cuda:1", let CUDA_VISIBLE_DEVICES show them, or set it to 1.',
        )
    return found


def host_free() -> int:
    """Bytes of the machine's own memory that may be had."""
    return int(psutil.virtual_memory().available)


@cache
def _library() -> Any:
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL("libnvidia-ml.so.1")
        if library.nvmlInit_v2() == 0:
            return library
    return None


def _visible(library: Any) -> list[tuple[int, int]]:
    """(torch's number, the driver's number) of each GPU that CUDA_VISIBLE_DEVICES leaves."""
    count = ctypes.c_uint()
    if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    numbers = list(range(count.value))
    if chosen is not None:
        words = [word.strip() for word in chosen.split(",")]
        if all(word.isdecimal() for word in words):  # names (GPU-…) are left to torch: all are counted
            numbers = [int(word) for word in words if int(word) < count.value]
        elif not chosen.strip() or chosen.strip() == "-1":
            numbers = []
    return list(enumerate(numbers))


def _device(library: Any, number: int, driver_number: int) -> Device | None:
    handle, memory, name = ctypes.c_void_p(), _Memory(), ctypes.create_string_buffer(96)
    if library.nvmlDeviceGetHandleByIndex_v2(driver_number, ctypes.byref(handle)) != 0:
        return None
    if library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) != 0:
        return None
    library.nvmlDeviceGetName(handle, name, len(name))
    return Device(f"cuda:{number}", name.value.decode("utf-8", "replace"), memory.total, memory.free)
