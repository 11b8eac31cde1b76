"""Tiny checkpoints and recipes for them; everything is made once per test process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rushes.engines.base import Picture
from rushes.engines.contract import Recorder
from rushes.engines.diffusers import DiffusersEngine
from tests.engines.diffusers import tiny

torch.set_num_threads(1)

FAMILY = {name: name for name in ("cogvideox", "ltx2", "hunyuan15", "kandinsky6")}
IMAGES = {"wan22-image", "ti2v", "ltx2", "kandinsky6"}
SOUND = {"ltx2", "kandinsky6"}
CALL: dict[str, dict[str, Any]] = {
    "ltx2": {"max_sequence_length": 64, "spatio_temporal_guidance_blocks": [1]},
    "hunyuan15": {},
}


def recipe_table(name: str) -> dict[str, Any]:
    """A recipe for the tiny pipeline `name`: 2 frames a second of 96×54 pixels, three steps."""
    images = name in IMAGES
    return {
        "name": f"tiny-{name}",
        "title": f"Tiny {name}",
        "family": FAMILY.get(name, "wan"),
        "repo": f"tiny/{name}",
        "text": name != "wan22-image",
        "image": images,
        "sound": name in SOUND,
        "steps": 3,
        "prompt_tokens": 64,
        "licence": {"name": "none", "url": "https://example.org"},
        "clip": {
            "fps": 2,
            "multiple": 32,
            "frame_step": 8 if name in ("ltx2", "cogvideox") else 4,
            "native_seconds": 5,
            "max_seconds": 10 if images else 5,
            "sizes": {"16:9": [96, 54], "9:16": [54, 96], "1:1": [64, 64]},
        },
        "guidance": {"scale": 0.0 if name == "kandinsky6" else 5.0},  # its scheduler knows none
        "memory": {
            "components": {"transformer": 0.01},
            "denoise": 0.01,
            "decode": 0.01,
            "decode_tiled": 0.01,
        },
        "cost": {"billions": 0.0001, "layers": 2, "width": 24, "pixels": 16, "frames": 4},
        "call": CALL.get(name, {"max_sequence_length": 64}),
    }


def toml(value: Any) -> str:
    """One TOML value; TOML and JSON agree on all but tables and their keys."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


class Studio:
    """What a test makes engines from: saved checkpoints and recipe files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._recipes = 0

    def weights(self, name: str) -> Path:
        path = self.folder / "weights" / name
        if not path.exists():
            tiny.save(name, path)
        return path

    def recipe(self, which: str, /, **changes: Any) -> Path:
        """A recipe file; `changes` replace keys, those of tables key by key."""
        table = recipe_table(which)
        for key, value in changes.items():
            table[key] = {**table.get(key, {}), **value} if isinstance(value, dict) else value
        self._recipes += 1
        path = self.folder / f"{which}-{self._recipes}.toml"
        path.write_text("".join(f"{key} = {toml(value)}\n" for key, value in table.items()), "utf-8")
        return path

    def options(self, which: str, weights: Path | None = None, /, **changes: Any) -> dict[str, Any]:
        return {
            "recipe": str(self.recipe(which, **changes)),
            "weights": str(weights or self.weights(which)),
            "models": str(self.folder / "models"),
            "device": "cpu",
        }

    def engine(self, which: str, weights: Path | None = None, /, **changes: Any) -> DiffusersEngine:
        return DiffusersEngine(self.options(which, weights, **changes))

    def loaded(self, which: str, weights: Path | None = None, /, **changes: Any) -> DiffusersEngine:
        engine = self.engine(which, weights, **changes)
        engine.load(Recorder())
        return engine


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("diffusers"))


@pytest.fixture(scope="session")
def loaded(studio: Studio) -> Iterator[Callable[..., DiffusersEngine]]:
    """Engines that stay loaded, by name; a test that changes one makes its own."""
    kept: dict[str, DiffusersEngine] = {}

    def get(name: str) -> DiffusersEngine:
        if name not in kept:
            kept[name] = studio.loaded(name)
        return kept[name]

    yield get
    kept.clear()


@pytest.fixture
def photo() -> Picture:
    """A smooth 200×120 picture, unlike its own mirror image."""
    rows, columns = np.mgrid[0:120, 0:200]
    return np.stack([rows * 2, columns, np.full_like(rows, 90)], axis=-1).astype(np.uint8)
