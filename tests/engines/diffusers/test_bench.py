"""The GPU bench runs without a GPU on a tiny model, and writes nothing where nothing was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import gpu


def test_the_tiny_bench_measures_plain_and_engine_in_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    text = gpu.main(["--tiny", "--variants", "engine", "--rounds", "1", "--steps", "2", "--seconds", "1"])
    lines = [line.split(" | ") for line in text.splitlines() if line.startswith("|")]
    assert [line[1] for line in lines[2:]] == ["plain diffusers", "engine"]
    assert all(float(line[2]) > 0 for line in lines[2:])
    assert lines[3][-1].removesuffix(" |")
    assert "CPU" in text
    assert "plain diffusers" in capsys.readouterr().out


def test_without_a_gpu_nothing_is_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "nothing is measured, and the table stays as it is" in capsys.readouterr().err


def test_the_table_is_put_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{gpu.BEGIN}\nold\n{gpu.END}\nafter\n")
    gpu.write("| new |", page)
    assert page.read_text() == f"before\n{gpu.BEGIN}\n\n| new |\n\n{gpu.END}\nafter\n"


def test_the_shapes_are_those_of_the_recipes() -> None:
    """The estimate's figures and the bench's architectures describe the same models."""
    from rushes.engines.diffusers.recipe import read_recipe

    for shape in gpu.MODELS.values():
        cost = read_recipe(shape.recipe).cost
        assert (shape.layers, shape.heads * shape.width) == (cost.layers, cost.width)
