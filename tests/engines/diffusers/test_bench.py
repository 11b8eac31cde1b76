"""The GPU bench runs without a GPU on a tiny model: every lever, the turns, what is kept, the table. Nothing is written
where nothing was measured."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from diffusers import WanTransformer3DModel

from bench import bare, gpu, product
from bench.models import MODELS, PROMPT, TINY, in_precision, storages, twin
from rushes.core.errors import SetupError
from rushes.core.shot import Shot
from rushes.engines.contract import Recorder
from rushes.engines.diffusers import loading
from rushes.engines.diffusers.levers import transformers
from rushes.engines.diffusers.placement import Placement
from rushes.engines.diffusers.recipe import GIB, Levers, read_recipe


def bench(folder: Path, *words: str) -> str:
    return gpu.main(["--tiny", "--rounds", "1", "--steps", "1", "--results", str(folder), *words])


def cells(text: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| tiny")]


def test_every_lever_is_measured_in_turns_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def compile_eagerly(model: Any, **_: Any) -> None:
        for block in model.blocks:
            block.compile(backend="eager", fullgraph=True)

    def told(name: str, act: Any) -> Any:
        return lambda *given: (order.append(name), act(*given))[1]

    monkeypatch.setattr(WanTransformer3DModel, "compile_repeated_blocks", compile_eagerly)
    monkeypatch.setattr(bare, "clip", told("plain", bare.clip))
    monkeypatch.setattr(gpu.Pair, "_render", told("ours", gpu.Pair._render))
    monkeypatch.setattr(gpu, "KERNEL_OF_CPU", "_native_math")
    first = bench(tmp_path, "--variants", "engine,compile")
    assert [row[1] for row in cells(first)] == ["plain diffusers", "engine", "compile"]
    warmed_and_measured = ["plain", "ours"] * 2
    assert order == warmed_and_measured * 2 * 2, "large and smallest clips of two variants, always in turns"
    monkeypatch.setitem(sys.modules, "torchao", None)
    text = bench(tmp_path, "--variants", "attention,fp8,torchao-int8,torchao-fp8,tiling,all,all-torchao")
    rows = cells(text)
    assert [row[1] for row in rows] == [
        "plain diffusers",
        *("engine", "compile", "attention", "fp8", "tiling", "all"),
    ]
    assert all(float(number) > 0 for row in rows for number in (row[2], row[3], row[5]))
    assert [float(row[6]) > 0 for row in rows[1:]] == [True] * 6
    for name in ("torchao-int8", "torchao-fp8", "all-torchao"):
        assert f"tiny, {name}: could not be had (SetupError: lever torchao" in text
    (kept,) = gpu.read_kept(tmp_path)
    assert set(kept.variants) == set(gpu.VARIANTS) - {"2-gpus", "all-2-gpus"}
    assert (kept.at.device, kept.at.torch, kept.at.steps) == ("CPU", torch.__version__, 1)
    assert gpu.main(["--table", "--results", str(tmp_path)]) == text, "without measuring anything"
    assert gpu.begin(tmp_path, "tiny", kept.at).variants == kept.variants
    assert gpu.begin(tmp_path, "tiny", msgspec.structs.replace(kept.at, steps=2)).variants == {}


def test_every_lever_is_tried_alone_but_those_that_look_at_values() -> None:
    alone = {
        (name, value)
        for levers in gpu.VARIANTS.values()
        for name, value in msgspec.structs.asdict(levers).items()
        if msgspec.structs.replace(Levers(), **{name: value}) == levers != Levers()
    }
    left_out = {"first_block_cache", "mag_cache", "mag_ratios"}
    assert {name for name, _ in alone} == set(Levers.__struct_fields__) - left_out
    assert {value for name, value in alone if name == "torchao"} == {"int8", "fp8"}


def test_ranks_read_what_is_saved_for_them_where_there_are_gpus_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = TINY["tiny"]
    recipe, pipe = model.adjusted(), model.make("cpu")
    gpu.save_transformers(pipe, tmp_path / "weights")
    folders, alone = {recipe.name: tmp_path / "weights"}, Placement()
    rank = loading.load(recipe, folders, ["cpu"], alone, Recorder(), transformers_alone=True)
    assert rank.text.text_encoder is rank.text.vae is None
    for ours, theirs in zip(transformers(pipe), transformers(rank.text), strict=True):
        there = theirs.state_dict()
        assert all(torch.equal(tensor, there[name]) for name, tensor in ours.state_dict().items())
    recipe = msgspec.structs.replace(recipe, levers=gpu.VARIANTS["2-gpus"])
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(SetupError, match="context_parallel = 2 wants 2 GPUs, and here is 1"):
        gpu.Pair(model, pipe, recipe, "cuda:0", tmp_path)
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(gpu.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SetupError, match=r"ranks read their weights from .*, which has 0 of the 0 GiB"):
        gpu.save_transformers(pipe, tmp_path / "weights")


def test_the_product_is_measured_by_pairs_and_its_gaps_are_real(tmp_path: Path) -> None:
    model = TINY["tiny"]
    made = product.measure("tiny", model, "cpu", (64, 32), 1, 1, rounds=1, queue=2)
    ((hand, whole),) = made.pairs
    assert min(hand.wall, hand.cpu, whole.wall, whole.cpu) > 0
    (gap,) = made.gaps
    assert 0 < gap < 60, "encoding and inspecting one clip, and taking up the next"
    kept = gpu.Kept(model="tiny", at=gpu.Circumstances.here("cpu", model.adjusted()), date="2026-01-01")
    kept.product = made
    kept.save(tmp_path)
    (row,) = cells(gpu.main(["--table", "--results", str(tmp_path)]))
    assert row[1:3] == [f"{hand.wall:.2f}", f"{whole.wall:.2f}"]
    assert row[-1] == f"{gap:.2f}"


def test_what_the_budget_does_not_allow_is_left_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench(tmp_path, "--variants", "engine,tiling,product", "--budget", "0")
    assert (
        "no time left for: python -m bench.gpu tiny --variants engine,tiling,product"
        in capsys.readouterr().out
    )
    assert gpu.read_kept(tmp_path) == []


def test_without_a_gpu_nothing_is_measured_or_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(gpu, "write", pytest.fail)
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "nothing is measured, and the table stays as it is" in capsys.readouterr().err
    kept = gpu.Kept(
        model="tiny", at=gpu.Circumstances.here("cpu", TINY["tiny"].adjusted()), date="2026-01-01"
    )
    kept.save(tmp_path)
    with pytest.raises(SystemExit):
        gpu.main(["--table", "--write", "--results", str(tmp_path)])
    assert "nothing is written" in capsys.readouterr().err


def test_the_table_is_put_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{gpu.BEGIN}\nold\n{gpu.END}\nafter\n")
    gpu.write("| new |", page)
    assert page.read_text() == f"before\n{gpu.BEGIN}\n\n| new |\n\n{gpu.END}\nafter\n"


def test_medians_of_pairs_stand_in_the_table_by_device() -> None:
    at = gpu.Circumstances("NVIDIA H200", "2.11.0", "0.42.1", "3.12.3", (832, 480), 80, 4)
    pairs = [
        (gpu.Run(1.0, 10.0, 2 * GIB), gpu.Run(0.5, 5.0, GIB)),
        (gpu.Run(1.2, 20.0, 2 * GIB), gpu.Run(0.7, 15.0, GIB)),
    ]
    one = gpu.Kept(model="wan", at=at, date="2026-01-02")
    one.variants["compile"] = gpu.Measured(Levers(compile=True), pairs, [(20.0, 10.0), (22.0, 12.0)])
    took = product.Took
    one.product = product.Product([(took(10, 9), took(10.2, 9)), (took(20, 9), took(20.2, 9))], [1.5, 2.5])
    other = gpu.Kept(model="ltx", at=msgspec.structs.replace(at, device="other"), date="2026-01-03")
    text = gpu.table([one, other])
    assert "NVIDIA H200, torch 2.11.0, diffusers 0.42.1, Python 3.12.3, 2026-01-02." in text
    assert "| wan, 832×480, 80 frames, 4 steps | plain diffusers | 1.100 | 15.00 | 2.0 | 21.0 |  |" in text
    assert "| wan, 832×480, 80 frames, 4 steps | compile | 0.600 | 10.00 | 1.0 | 11.0 | 0.625 |" in text
    assert "| wan | 15.00 | 15.20 | 1.015 | +0.20 | 2.00 |" in text
    assert "other, torch 2.11.0" in text


def test_the_architectures_are_those_of_the_recipes() -> None:
    """Built without memory: their parameters take what the recipes say, in the precisions of a loaded checkpoint."""
    for model in MODELS.values():
        recipe = read_recipe(model.recipe)
        assert (model.layers, model.width) == (recipe.cost.layers, recipe.cost.width)
    pipe = MODELS["wan2.1-1.3b"].make("meta")
    for name, size in read_recipe("wan2.1-1.3b").memory.components.items():
        held = sum(tensor.nbytes for tensor in getattr(pipe, name).parameters())
        assert held / GIB == pytest.approx(size, rel=0.1), name
    kinds = {name: tensor.dtype for name, tensor in pipe.transformer.named_parameters()}
    assert kinds["blocks.0.attn1.to_q.weight"] == torch.bfloat16
    assert kinds["scale_shift_table"] == kinds["blocks.0.scale_shift_table"] == torch.float32
    assert kinds["condition_embedder.time_embedder.linear_1.weight"] == torch.float32
    assert kinds["blocks.0.norm2.weight"] == torch.float32
    assert {tensor.dtype for tensor in pipe.vae.parameters()} == {torch.float32}


def test_precisions_are_those_that_a_loaded_checkpoint_has(tmp_path: Path) -> None:
    made = TINY["tiny"].make("cpu").transformer
    made.save_pretrained(tmp_path)
    loaded = WanTransformer3DModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
    wanted = {name: tensor.dtype for name, tensor in loaded.state_dict().items()}
    in_precision(made, torch.bfloat16)
    assert {name: tensor.dtype for name, tensor in made.state_dict().items()} == wanted
    assert len(set(wanted.values())) == 2


def test_a_twin_shares_the_weights_and_nothing_else() -> None:
    pipe = TINY["tiny"].make("cpu")
    other = twin(pipe)
    assert storages(other).keys() == storages(pipe).keys()
    calls: list[str] = []
    other.transformer.register_forward_hook(lambda *_: calls.append("twin"))
    recipe = TINY["tiny"].adjusted(steps=1)
    shot = Shot(prompt=PROMPT, aspect_ratio="16:9", seed=1)
    assert (bare.pictures(pipe, recipe, shot).frames == bare.pictures(other, recipe, shot).frames).all()
    assert set(calls) == {"twin"}
    other.transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    assert {tensor.dtype for tensor in pipe.transformer.parameters()} == {torch.float32}
