"""The engine contract, run on the tests' own engine in its three kinds of clip, and seen to fail on a bad one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from rushes.core.shot import Shot
from rushes.engines.base import make_engine
from rushes.engines.contract import EngineContract
from tests.engines.installed import install_colour_engine


@pytest.fixture(scope="module", autouse=True)
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        install_colour_engine(tmp_path_factory.mktemp("site"), monkeypatch)
        yield


class ColourContract(EngineContract):
    engine = "colour"


class TestLazyFrames(ColourContract):
    pass


class TestFramesDrawnBefore(ColourContract):
    options: ClassVar = {"lazy": False}


class TestFiles(ColourContract):
    shot = Shot(prompt="file", seed=3)


@pytest.mark.parametrize(
    ("test", "mood"),
    [
        ("test_a_clip_is_what_was_planned", "short"),
        ("test_a_clip_is_what_was_planned", "wrong size"),
        ("test_a_clip_is_what_was_planned", "bad report"),
        ("test_the_same_shot_is_the_same_clip_whatever_came_between", "restless"),
    ],
)
def test_a_bad_engine_does_not_pass(test: str, mood: str, tmp_path: Path) -> None:
    suite = ColourContract()
    suite.shot = Shot(prompt=mood)
    engine = make_engine("colour", {})
    with pytest.raises((AssertionError, TypeError)):
        getattr(suite, test)(engine, tmp_path)
