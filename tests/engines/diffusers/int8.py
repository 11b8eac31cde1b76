"""What torchao's 8 bits do to a clip, told as JSON: `python -m tests.engines.diffusers.int8 PLAIN SMALL`, the options
of two engines. A process of its own, because diffusers imports torchao wherever it is found."""

from __future__ import annotations

import json
import sys

import numpy as np
import torch

from bench import gpu
from bench.models import TINY, storages
from rushes.engines.contract import Recorder
from rushes.engines.diffusers import DiffusersEngine, levers
from rushes.engines.diffusers.recipe import Levers
from tests.engines.diffusers.test_render import frames, pipe_of


def loaded(options: str) -> DiffusersEngine:
    engine = DiffusersEngine(json.loads(options))
    engine.load(Recorder())
    return engine


def measured(pulled: Levers) -> str:
    """Why it could not be measured."""
    model = TINY["tiny"]
    return gpu.measure(model, model.make("cpu"), model.adjusted(steps=1), "cpu", pulled, rounds=1).refused


def main() -> None:
    plain, small = map(loaded, sys.argv[1:])
    first = frames(small)
    kinds = {
        name: type(layer.weight).__name__
        for name, layer in pipe_of(small).transformer.named_modules()
        if isinstance(layer, torch.nn.Linear)
    }
    told = {
        "blocks": sorted({kind for name, kind in kinds.items() if name.startswith("blocks.")}),
        "others": sorted({kind for name, kind in kinds.items() if not name.startswith("blocks.")}),
        "difference": float(np.abs(frames(plain).astype(int) - first.astype(int)).mean()),
        "repeats": bool(np.array_equal(first, frames(small))),
        "bytes": sum(storages(pipe_of(small), levers.transformers(pipe_of(small))).values())
        / sum(storages(pipe_of(plain), levers.transformers(pipe_of(plain))).values()),
        "bench": {name: measured(gpu.VARIANTS[name]) for name in ("torchao-int8", "torchao-fp8")},
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
