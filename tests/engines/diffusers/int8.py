"""What torchao's 8 bits do to a clip, told as JSON: `python -m tests.engines.diffusers.int8 PLAIN SMALL`, the options
of two engines. A process of its own, because diffusers imports torchao wherever it is found."""

from __future__ import annotations

import json
import sys

import numpy as np
import torch

from rushes.engines.contract import Recorder
from rushes.engines.diffusers import DiffusersEngine
from tests.engines.diffusers.test_render import frames, pipe_of


def loaded(options: str) -> DiffusersEngine:
    engine = DiffusersEngine(json.loads(options))
    engine.load(Recorder())
    return engine


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
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
