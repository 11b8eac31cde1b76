"""What people build: that it stands in the picture, is lit by night and lies under snow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rushes.core.shot import Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.animatic.prompt.parse import parse
from rushes.engines.animatic.world.faces import measures
from rushes.engines.animatic.world.houses import SHAPES

from .conftest import render

First = Callable[..., Any]


def test_its_words() -> None:
    for prompt, place in (
        ("an old temple in fog", "temple"),
        ("a pagoda at dawn", "temple"),
        ("two shrines", "temple"),
        ("a fishing village by night", "village"),
        ("cottages under snow", "village"),
    ):
        assert place in parse(prompt).places, prompt


def test_a_landmark_wins_over_where_it_stands(engine: AnimaticEngine) -> None:
    for prompt, place in (("a mountain village", "village"), ("a forest with a temple", "temple")):
        assert render(engine, Shot(prompt=prompt)).report.details["place"] == place


def test_windows_are_lit_by_night(first: First) -> None:
    shot = {"cfg_scale": 1.0, "seed": 3}
    lived = first("a village at night, clear sky, static shot", **shot)[40:].astype(int)
    empty = first("hills at night, clear sky, static shot", **shot)[40:].astype(int)

    def lamps(image: Any) -> float:
        return float(((image[..., 0] > 150) & (image[..., 0] > image[..., 2] + 30)).mean())

    assert lamps(lived) > 0.0003
    assert lamps(empty) == 0


@pytest.mark.parametrize("aspect", ["16:9", "1:1", "9:16"])
def test_a_temple_stands_in_the_middle(first: First, aspect: str) -> None:
    image = first("a temple by day, static shot", aspect_ratio=aspect, cfg_scale=1.0).astype(int)
    red = np.argwhere(image[..., 0] > 1.5 * image[..., 1] + 12)
    rows, columns = image.shape[:2]
    assert len(red) > 0.01 * rows * columns
    assert 0.3 < red[:, 1].mean() / columns < 0.7


def test_snow_whitens_the_village(first: First) -> None:
    bare = first("a village by day, overcast, static shot", cfg_scale=1.0)[45:].astype(int)
    white = first("a village by day, snow, static shot", cfg_scale=1.0)[45:].astype(int)
    assert white.mean() > bare.mean() + 12
    assert np.ptp(white, axis=2).mean() < 0.8 * np.ptp(bare, axis=2).mean()


@pytest.mark.parametrize("shape", SHAPES)
def test_faces_are_flat_and_the_same_for_a_seed(shape: str) -> None:
    paints = {key: np.full(3, 0.4) for key in ("wall", "roof", "stone", "wood", "gold")}
    one, two = (SHAPES[shape](np.random.default_rng(5), paints).placed(9, 2, 40, 0.3) for _ in range(2))
    assert np.array_equal(one, two)
    normal, across = measures(one)
    off = np.einsum("nkc,nc->nk", one - one[:, :1], normal)
    # Where eaves sweep up a quad is a little bent.
    assert np.abs(off).max() < 1.0
    assert np.isfinite(across).all()
