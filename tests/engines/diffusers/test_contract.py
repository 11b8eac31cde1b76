"""The engine contract, run on a tiny pipeline of every family."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from rushes.core.shot import Shot
from rushes.engines.contract import EngineContract
from tests.engines.diffusers.conftest import Studio


class TinyContract(EngineContract):
    engine = "diffusers"
    name: ClassVar[str]
    shot = Shot(prompt="a sailing boat on the sea at dusk", seed=7)
    negative_prompt = "clouds"
    changes: ClassVar[dict[str, Any]] = {}

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _options(cls, studio: Studio) -> None:
        cls.options = studio.options(cls.name, **cls.changes)


class TestWan21(TinyContract):
    name = "wan21"


class TestWan22Text(TinyContract):
    name = "wan22-text"
    changes: ClassVar = {"guidance": {"scale": 4.0, "second": 3.0}}


class TestWan22Image(TinyContract):
    name = "wan22-image"


class TestTextAndImageInOne(TinyContract):
    name = "ti2v"


class TestLtxWithSound(TinyContract):
    name = "ltx2"


class TestCogVideoX(TinyContract):
    name = "cogvideox"
    changes: ClassVar = {"clip": {"fps": 1}}


class TestDistilled(TinyContract):
    """No guidance: negative prompt and cfg_scale change nothing, and the engine says so."""

    name = "wan21"
    changes: ClassVar = {"guidance": {"scale": 0.0}, "steps": 2}


class TestWithFirstBlockCache(TinyContract):
    """A cache keeps tensors between steps; nothing of it may reach the next job."""

    name = "wan21"
    changes: ClassVar = {"levers": {"first_block_cache": 0.5}, "steps": 5}


class TestKandinsky6WithSound(TinyContract):
    """Distilled: its scheduler knows no guidance."""

    name = "kandinsky6"
    changes: ClassVar = {"steps": 2, "clip": {"fps": 1}}
