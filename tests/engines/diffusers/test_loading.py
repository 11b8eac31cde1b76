"""From files to a loaded engine: what is refused and how, where it lies, and what it gives back."""

from __future__ import annotations

import gc
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from rushes.core.errors import Cancelled, OutOfMemory, SetupError
from rushes.engines.contract import Recorder
from rushes.engines.diffusers import DiffusersEngine, loading, machine
from rushes.engines.diffusers.placement import LADDER
from rushes.engines.diffusers.recipe import GIB, read_recipe
from rushes.engines.diffusers.weights import read_weights
from tests.engines.diffusers.conftest import Studio
from tests.engines.diffusers.test_render import SHOT, changed, frames, pipe_of, render

TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture
def copy(studio: Studio, tmp_path: Path) -> Path:
    """Weights of its own for a test that harms them."""
    return shutil.copytree(studio.weights("wan21"), tmp_path / "weights")


# -- what the files say --------------------------------------------------------------------------------------------------


def test_the_headers_tell_every_components_size(studio: Studio, loaded: Any) -> None:
    engine = loaded("ltx2")
    weights = read_weights(engine.recipe, studio.weights("ltx2"))
    counted = {
        name: sum(p.numel() for p in part.parameters())
        + sum(b.numel() for b in part.state_dict().values()) * 0
        for name, part in engine._loaded.components().items()
        if isinstance(part, torch.nn.Module)
    }
    assert weights.pipeline == "LTX2Pipeline"
    assert set(weights.parameters) == set(counted)
    for name, count in counted.items():  # files hold buffers, too
        assert count <= weights.parameters[name] <= count * 1.05 + 1000


def test_the_footprint_is_arithmetic_before_and_a_measure_after(studio: Studio) -> None:
    engine = studio.engine("wan21")
    before = engine.footprint()
    assert before.device == "cpu"
    assert 1.0 * GIB < before.memory < 1.1 * GIB, "the headroom, and a tiny model"
    engine.load(Recorder())
    after = engine.footprint()
    assert after.memory > 100e6, "this process's own size"
    assert after.load_seconds < 60


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda w: shutil.rmtree(w), r"there are no weights in .*: it has no model_index.json"),
        (lambda w: (w / "model_index.json").write_text("{"), "cannot be read"),
        (lambda w: shutil.rmtree(w / "vae"), "vae is missing, though model_index.json names it"),
        (lambda w: (w / TRANSFORMER).unlink(), r"transformer has no .safetensors file"),
        (
            lambda w: (w / TRANSFORMER).write_bytes((w / TRANSFORMER).read_bytes()[:-100]),
            r"has [\d,]+ of [\d,]+ bytes",
        ),
        (lambda w: (w / TRANSFORMER).write_bytes(b"\xff" * 64), "no whole safetensors file"),
        (lambda w: (w / TRANSFORMER).write_bytes(b""), "no whole safetensors file"),
        (
            lambda w: (w / "vae" / "diffusion_pytorch_model.safetensors.index.json").write_text(
                json.dumps({"weight_map": {"x": "part-2-of-2.safetensors"}})
            ),
            r"part-2-of-2.safetensors is missing",
        ),
    ],
    ids=[
        "nothing",
        "bad index",
        "no component",
        "no file",
        "truncated",
        "rotten header",
        "empty",
        "lost shard",
    ],
)
def test_weights_that_are_not_whole_are_refused_before_anything_is_loaded(
    studio: Studio, copy: Path, harm: Any, words: str
) -> None:
    harm(copy)
    with pytest.raises(SetupError, match=words):
        studio.loaded("wan21", copy)


def rewrite(path: Path, change: Any) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, {"format": "pt"})


def poison(value: float) -> Any:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors["blocks.1.attn1.to_q.weight"][3, 3] = value

    return change


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_hold_no_numbers_are_refused_by_name(studio: Studio, copy: Path, value: float) -> None:
    rewrite(copy / TRANSFORMER, poison(value))
    with pytest.raises(SetupError, match=r"transformer are broken: 'blocks.1.attn1.to_q.weight'"):
        studio.loaded("wan21", copy)


def test_a_file_that_lacks_a_tensor_is_refused(studio: Studio, copy: Path) -> None:
    rewrite(copy / TRANSFORMER, lambda tensors: tensors.pop("blocks.1.attn1.to_q.weight"))
    with pytest.raises(SetupError, match=r"blocks.1.attn1.to_q.weight|cannot be loaded"):
        studio.loaded("wan21", copy)


def test_weights_of_another_shape_are_refused(studio: Studio, copy: Path) -> None:
    config = copy / "transformer" / "config.json"
    config.write_text(config.read_text().replace('"ffn_dim": 32', '"ffn_dim": 48'))
    with pytest.raises(SetupError, match="cannot be loaded"):
        studio.loaded("wan21", copy)


def test_rotten_bytes_that_still_are_numbers_are_found_by_no_header(studio: Studio, copy: Path) -> None:
    """Only the checksum that the download kept can tell; the engine must not claim more."""
    rewrite(copy / TRANSFORMER, poison(0.25))
    assert len(frames(studio.loaded("wan21", copy, steps=1))) == 10


def test_code_of_the_checkpoints_own_is_not_run(studio: Studio, copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    index["vae"] = ["my_vae", "MyVae"]
    (copy / "model_index.json").write_text(json.dumps(index))
    (copy / "vae" / "my_vae.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(SetupError, match="code of the checkpoint's own: it is not run"):
        studio.loaded("wan21", copy)


def test_another_models_weights_are_refused(studio: Studio) -> None:
    with pytest.raises(SetupError, match="holds a WanPipeline; recipe tiny-ltx2 runs LTX2Pipeline"):
        studio.loaded("ltx2", studio.weights("wan21"))


def test_nothing_is_looked_up_on_the_network(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def refuse(_: socket.socket, address: Any) -> None:
        asked.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    frames(studio.loaded("wan22-text"))
    assert asked == []


# -- where it lies -------------------------------------------------------------------------------------------------------


def test_streaming_blocks_makes_the_same_clip(studio: Studio) -> None:
    """Group offloading from the CPU to the CPU: the hooks are those that a GPU gets."""
    options = studio.options("wan21")
    streamed = DiffusersEngine({**options, "placement": "stream + tiling"})
    streamed.load(Recorder())
    assert np.array_equal(frames(DiffusersEngineLoaded(options)), frames(streamed))


def DiffusersEngineLoaded(options: dict[str, Any]) -> DiffusersEngine:  # noqa: N802 - reads as what it makes
    engine = DiffusersEngine(options)
    engine.load(Recorder())
    return engine


def test_fp8_storage_makes_nearly_the_same_clip_from_less_memory(studio: Studio) -> None:
    plain = studio.loaded("wan21")
    small = studio.loaded("wan21", levers={"fp8": True})
    kinds = {p.dtype for block in pipe_of(small).transformer.blocks for p in block.parameters()}
    assert torch.float8_e4m3fn in kinds
    difference = np.abs(frames(plain).astype(int) - frames(small).astype(int)).mean()
    assert 0 < difference < 20


def test_int8_weights_make_nearly_the_same_clip(studio: Studio) -> None:
    """`make test` puts torchao into a folder of its own: diffusers would import it in every process."""
    aside = Path(sys.prefix) / "torchao"
    if not aside.is_dir():
        pytest.skip(f"no torchao in {aside}")
    told = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.engines.diffusers.int8",
            json.dumps(studio.options("wan21")),
            json.dumps(studio.options("wan21", levers={"torchao": "int8"})),
        ],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(aside)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert told.returncode == 0, told.stderr
    small = json.loads(told.stdout.splitlines()[-1])
    assert small["blocks"] == ["Int8Tensor"]
    assert small["others"] == ["Parameter"]
    assert 0 < small["difference"] < 20
    assert small["repeats"]
    assert small["bytes"] < 0.75, "its tensors are found inside torchao's own"
    assert small["bench"]["torchao-int8"] == "", "the bench can measure it"
    assert "torchao = 'fp8' cannot be had here: Float8 dynamic" in small["bench"]["torchao-fp8"]


def test_torchao_is_named_where_it_is_missing(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(
        SetupError, match="lever torchao = 'int8' needs torchao, which is not installed"
    ) as caught:
        studio.loaded("wan21", levers={"torchao": "int8"})
    assert "rushes[torchao]" in caught.value.advice
    with pytest.raises(SetupError, match=r"levers.torchao and levers.fp8 exclude each other"):
        studio.engine("wan21", levers={"torchao": "int8", "fp8": True})


def test_torchaos_half_is_planned(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = machine.Device("cuda:0", "24 GiB", 24 * GIB, 24 * GIB)
    monkeypatch.setattr(machine, "devices", lambda: [gpu])
    options = {"recipe": "wan2.2-i2v-a14b", "models": str(studio.folder / "none")}
    plain = dict(DiffusersEngine(options).planned())
    small = dict(DiffusersEngine({**options, "levers": {"torchao": "fp8"}}).planned())
    assert list(small) == ["resident", "resident + tiling"]
    assert small["resident + tiling"] == pytest.approx(plain["resident + fp8 + tiling"], abs=0.01)


def test_a_gpu_gets_the_fastest_rung_that_fits_it(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan for a real recipe on GPUs of several sizes, by its own arithmetic."""
    engine = DiffusersEngine({"recipe": "wan2.2-i2v-a14b", "models": str(studio.folder / "none")})
    monkeypatch.setattr(machine, "host_free", lambda: 80 * GIB)
    places = []
    for gib in (24, 48, 80, 141):
        gpu = machine.Device("cuda:0", f"{gib} GiB", gib * GIB, gib * GIB)
        monkeypatch.setattr(machine, "devices", lambda gpu=gpu: [gpu])
        assert engine.footprint().device == "cuda:0"
        assert engine.footprint().memory <= gib * GIB
        places.append(LADDER.index(engine._choose(gpu)))
    assert places == sorted(places, reverse=True)
    assert places[0] > places[-1] == 0


def test_a_gpu_that_is_too_small_is_told_what_every_rung_takes(studio: Studio) -> None:
    engine = DiffusersEngine({"recipe": "wan2.2-i2v-a14b", "models": str(studio.folder / "none")})
    with pytest.raises(
        OutOfMemory, match=r"does not fit cuda:0 with 8.0 GiB free: it takes resident \d+"
    ) as caught:
        engine._choose(machine.Device("cuda:0", "small", 8 * GIB, 8 * GIB))
    assert "stream + tiling" in str(caught.value)


def test_what_waits_beside_the_gpu_must_find_room_there(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = DiffusersEngine({"recipe": "wan2.2-i2v-a14b", "models": str(studio.folder / "none")})
    gpu = machine.Device("cuda:0", "24 GiB", 24 * GIB, 24 * GIB)
    monkeypatch.setattr(machine, "host_free", lambda: 40 * GIB)
    assert str(engine._choose(gpu)) == "swap + fp8 + tiling", "37.7 GiB wait"
    monkeypatch.setattr(machine, "host_free", lambda: 30 * GIB)
    with pytest.raises(
        OutOfMemory, match=r"waits in the machine's memory, up to 64.3 GiB with 30.0 GiB free"
    ):
        engine._choose(gpu)


# -- several checkpoints, additions --------------------------------------------------------------------------------------


def test_a_second_checkpoint_serves_images_and_extensions_and_shares_what_is_common(
    studio: Studio, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    second = studio.recipe("wan22-image")
    first = studio.recipe("wan22-text", image=True, image_recipe=str(second), clip={"max_seconds": 10})
    shutil.copytree(studio.weights("wan22-image"), models / "tiny-wan22-image")
    engine = DiffusersEngine(
        {
            "recipe": str(first),
            "weights": str(studio.weights("wan22-text")),
            "models": str(models),
            "device": "cpu",
        }
    )
    engine.load(Recorder())
    both = engine._loaded
    assert both.text.vae is both.image.vae
    assert both.text.text_encoder is both.image.text_encoder
    assert both.text.transformer is not both.image.transformer
    clip = render(engine, changed(seconds=10))
    assert len(list(clip.frames)) == 20
    assert clip.report.details["parts"] == [13, 9]


def test_a_lora_is_fused_and_changes_the_clip(studio: Studio, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for block in range(2):
        name = f"transformer.blocks.{block}.attn1.to_q"
        tensors[f"{name}.lora_A.weight"] = torch.randn((4, 24), generator=generator)
        tensors[f"{name}.lora_B.weight"] = torch.randn((24, 4), generator=generator)
    path = tmp_path / "addition.safetensors"
    save_file(tensors, path)
    plain = studio.loaded("wan21")
    engine = studio.loaded("wan21", lora=[{"file": str(path)}])
    own = pipe_of(plain).transformer.blocks[0].attn1.to_q.weight
    fused = pipe_of(engine).transformer.blocks[0].attn1.to_q.weight
    name = "transformer.blocks.0.attn1.to_q"
    wanted = own + tensors[f"{name}.lora_B.weight"] @ tensors[f"{name}.lora_A.weight"]
    assert torch.allclose(fused, wanted, atol=1e-4)
    assert not np.array_equal(frames(plain), frames(engine))


@pytest.mark.parametrize(
    "make", [lambda p: None, lambda p: save_file({"x": torch.ones(2)}, p)], ids=["none", "odd"]
)
def test_a_lora_that_is_missing_or_does_not_fit_is_refused(studio: Studio, tmp_path: Path, make: Any) -> None:
    path = tmp_path / "addition.safetensors"
    make(path)
    with pytest.raises(SetupError, match=r"LoRA .*addition.safetensors (is missing|does not fit)"):
        studio.loaded("wan21", lora=[{"file": str(path)}])


def test_an_attention_kernel_that_is_not_there_is_refused(studio: Studio) -> None:
    with pytest.raises(SetupError, match="lever attention = 'no-such-kernel' cannot be had here"):
        studio.loaded("wan21", levers={"attention": "no-such-kernel"})


# -- giving back ---------------------------------------------------------------------------------------------------------


def resident() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss


def test_unloading_gives_the_memory_back_even_after_a_cancel(studio: Studio) -> None:
    engine, stopped = studio.loaded("wan21"), False
    # ballast on the transformer, so that a pinned model shows against the noise of the allocator
    pipe_of(engine).transformer.register_buffer("ballast", torch.ones(60_000_000))
    try:
        frames(engine, control=Recorder(patience=3))
    except Cancelled:  # not by pytest, which would keep the traceback
        stopped = True
    loaded = resident()
    engine.unload()
    assert stopped
    assert loaded - resident() > 200e6, "240 MB of ballast lay on the model"


def test_the_recipes_that_ship_name_pipelines_that_diffusers_has() -> None:
    import diffusers

    from rushes.engines.diffusers.families import FAMILIES

    for family in FAMILIES.values():
        for name in family.classes:
            assert hasattr(diffusers, name)


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from rushes.core.errors import EngineError

    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(EngineError, match="needs diffusers, which is not installed") as caught:
        loading.require_libraries()
    assert "rushes[diffusers]" in caught.value.advice


def test_a_recipe_is_found_by_name_and_by_path(studio: Studio) -> None:
    assert read_recipe("wan2.1-1.3b").family == "wan"
    assert read_recipe(str(studio.recipe("wan21"))).name == "tiny-wan21"
    with pytest.raises(SetupError, match="there is no recipe 'wan9'; recipes: cogvideox-5b"):
        read_recipe("wan9")


def test_the_seed_of_a_request_is_all_that_is_random(studio: Studio) -> None:
    """Two engines in one process, one after the other and interleaved, agree to the last bit."""
    one, two = studio.loaded("wan21"), studio.loaded("wan21")
    torch.manual_seed(1)
    first = frames(one)
    torch.manual_seed(2)
    assert np.array_equal(first, frames(two))
    assert SHOT.seed == 11


def test_a_library_that_a_checkpoint_needs_is_named(studio: Studio, copy: Path) -> None:
    """As Kandinsky's processor of pictures needs torchvision."""
    index = json.loads((copy / "model_index.json").read_text())
    index["tokenizer"] = ["transformers", "Qwen2_5_VLProcessor"]
    (copy / "model_index.json").write_text(json.dumps(index))
    picture = {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor"}
    (copy / "tokenizer" / "preprocessor_config.json").write_text(json.dumps(picture))
    with pytest.raises(SetupError, match=r"tiny-wan21 needs a library that is not installed: .*Torchvision"):
        studio.loaded("wan21", copy)
