"""What is decided before anything is loaded: sizes, lengths, guidance, placement, estimates, options."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.errors import SetupError
from rushes.core.shot import Shot
from rushes.engines.diffusers import DiffusersEngine, eta, machine, sizes
from rushes.engines.diffusers.levers import LEVERS
from rushes.engines.diffusers.placement import HEADROOM, LADDER, Needs, choose, rungs, smaller
from rushes.engines.diffusers.recipe import GIB, Levers, Recipe, parse_recipe, read_recipes
from tests.engines.diffusers.conftest import Studio, recipe_table

RECIPES = {recipe.name: recipe for recipe in read_recipes()}
ratios = st.sampled_from(["16:9", "9:16", "1:1", None])
images = st.one_of(st.none(), st.tuples(st.integers(300, 6000), st.integers(300, 6000)))


def tiny(which: str = "wan21", **changes: Any) -> Recipe:
    table = recipe_table(which)
    for key, value in changes.items():
        table[key] = {**table.get(key, {}), **value} if isinstance(value, dict) else value
    return parse_recipe("tiny.toml", table)


# -- sizes and lengths ---------------------------------------------------------------------------------------------------


@given(
    st.sampled_from(sorted(RECIPES)),
    ratios,
    images,
    st.sampled_from([5, 10]),
    st.sampled_from(["pro", "std"]),
)
def test_every_plan_is_cut_from_a_size_and_length_that_the_model_can_make(
    name: str, ratio: Any, image: tuple[int, int] | None, seconds: int, mode: str
) -> None:
    recipe = RECIPES[name]
    clip = recipe.clip
    plan = sizes.plan_clip(
        recipe, Shot(aspect_ratio=ratio, seconds=min(seconds, clip.max_seconds), mode=mode), image
    )
    made = sizes.schedule(recipe, plan)
    assert plan.width % 2 == plan.height % 2 == 0
    assert plan.frames == plan.seconds * plan.fps
    assert made.width % clip.multiple == made.height % clip.multiple == 0
    assert plan.width <= made.width
    assert plan.height <= made.height
    native = sizes.valid_frames(clip.native_seconds * clip.fps, clip.frame_step)
    for part in made.parts:
        assert part.frames <= native
        assert part.frames % clip.frame_step == 1
    delivered = sum(part.frames - part.drop for part in made.parts)
    assert plan.frames <= delivered < plan.frames + clip.frame_step
    assert [part.drop for part in made.parts] == [0] + [1] * (len(made.parts) - 1)
    if ratio is None and image is not None and clip.canvas is None:
        shape = min(max(image[0] / image[1], sizes.SMALLEST_RATIO), sizes.LARGEST_RATIO)
        assert plan.width / plan.height == pytest.approx(shape, rel=0.02)


@pytest.mark.parametrize(
    ("name", "ratio", "seconds", "delivered", "generated", "parts"),
    [
        ("wan2.2-ti2v-5b", "16:9", 5, (1280, 720, 120), (1280, 736), [121]),
        ("wan2.2-ti2v-5b", "9:16", 10, (720, 1280, 240), (736, 1280), [121, 121]),
        ("wan2.2-i2v-a14b", "1:1", 10, (960, 960, 160), (960, 960), [81, 81]),
        ("ltx-2.3", "16:9", 10, (1280, 720, 240), (1280, 736), [241]),
        ("cogvideox-5b", "9:16", 5, (270, 480, 40), (720, 480), [41]),
        ("kandinsky-6-pro-distill", "16:9", 5, (864, 480, 120), (864, 480), [121]),
    ],
)
def test_the_sizes_and_lengths_of_the_models(
    name: str, ratio: Any, seconds: int, delivered: Any, generated: Any, parts: list[int]
) -> None:
    plan = sizes.plan_clip(RECIPES[name], Shot(aspect_ratio=ratio, seconds=seconds), None)
    made = sizes.schedule(RECIPES[name], plan)
    assert (plan.width, plan.height, plan.frames) == delivered
    assert (made.width, made.height) == generated
    assert [part.frames for part in made.parts] == parts


# -- guidance ------------------------------------------------------------------------------------------------------------


def test_guidance_passes_through_the_models_own_value() -> None:
    recipe = tiny(guidance={"scale": 5.0})
    assert [recipe.guidance_at(cfg) for cfg in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1.5, 3.25, 5.0, 6.5, 8.0]
    assert tiny(guidance={"scale": 0.0}).guidance_at(1.0) == 1.0


def test_a_distilled_recipe_says_what_it_ignores(studio: Studio) -> None:
    able = studio.engine("wan21", guidance={"scale": 0.0}).capabilities()
    assert able.honours == {"seed"}
    assert "cfg_scale and negative_prompt change nothing" in able.description


# -- recipes -------------------------------------------------------------------------------------------------------------


def test_every_recipe_names_licence_source_and_size() -> None:
    assert len(RECIPES) >= 8
    for recipe in RECIPES.values():
        assert recipe.licence.url.startswith("https://")
        assert recipe.repo.count("/") == 1
        assert recipe.gpu
        assert sum(recipe.memory.components.values()) > 1
        for ratio, (width, height) in recipe.clip.sizes.items():
            across, down = map(int, ratio.split(":"))
            assert width / height == pytest.approx(across / down, rel=0.03)
    assert RECIPES["hunyuanvideo-1.5"].licence.accept
    assert "European Union" in RECIPES["hunyuanvideo-1.5"].licence.clauses[0]


def test_a_recipe_names_a_commit_or_says_that_it_knows_none() -> None:
    unpinned = {recipe.name for recipe in read_recipes() if not re.fullmatch("[0-9a-f]{40}", recipe.revision)}
    assert unpinned == {"kandinsky-6-pro-distill"}
    page = (Path(__file__).parents[3] / "docs" / "diffusers.md").read_text()
    assert all(f"`{name}`" in page for name in unpinned)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"family": "gan"}, "family is 'gan'; families: wan, ltx2"),
        ({"text": False, "image": False}, "it could make nothing"),
        ({"clip": {"max_seconds": 10}}, "needs extension from a frame, but image is off"),
        ({"clip": {"native_seconds": 6}}, "native_seconds 6 must be from 1 to max_seconds 5"),
        ({"clip": {"sizes": {"16:9": [97, 54]}}}, "97×54: both sides must be even"),
        ({"clip": {"sizes": {"1:1": [64, 64]}}}, "sizes must have 16:9"),
        ({"clip": {"canvas": [64, 64]}}, "does not fit the canvas 64×64"),
        ({"levers": {"mag_cache": 0.1}}, "needs levers.mag_ratios"),
        ({"levers": {"mag_cache": 0.1, "mag_ratios": [1.0], "first_block_cache": 0.1}}, "exclude each other"),
        ({"levers": {"warp": 9}}, r"unknown field `warp`.*levers"),
        ({"steps": "many"}, r"Expected `int`.*steps"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_by_key(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SetupError, match=words):
        tiny(**changes)


# -- options -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "option 'recipe' is missing"),
        ({"recipe": "wan2.1-1.3b", "steps": 0}, "option 'steps' is 0; allowed: 1 to 200"),
        ({"recipe": "wan2.1-1.3b", "steps": "40"}, "must be a int"),
        ({"recipe": "wan2.1-1.3b", "device": "tpu"}, "allowed: auto, cpu, cuda, cuda:N"),
        ({"recipe": "wan2.1-1.3b", "placement": "floor"}, "allowed: resident, resident \\+ tiling"),
        ({"recipe": "wan2.1-1.3b", "levers": {"speed": 1}}, "unknown field `speed`"),
        ({"recipe": "missing.toml"}, "the recipe missing.toml cannot be read"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SetupError, match=words):
        DiffusersEngine(options)


def test_the_card_changes_steps_and_levers_key_by_key() -> None:
    engine = DiffusersEngine({"recipe": "wan2.1-1.3b", "steps": 20, "levers": {"first_block_cache": 0.08}})
    assert engine.recipe.steps == 20
    assert engine.recipe.levers.first_block_cache == 0.08
    assert RECIPES["wan2.1-1.3b"].levers.first_block_cache == 0.0


def test_making_it_is_instant_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, json\n"
        "from rushes.engines.base import make_engine\n"
        "from rushes.core.shot import Shot\n"
        "e = make_engine('diffusers', {'recipe': 'wan2.2-a14b'})\n"
        "e.capabilities(), e.plan(Shot(), None), e.footprint()\n"
        "print(json.dumps(sorted({'torch', 'diffusers', 'transformers', 'scipy', 'PIL'} & set(sys.modules))))"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert json.loads(answer.stdout) == []


# -- placement -----------------------------------------------------------------------------------------------------------

needs = Needs({"transformer": 20 * GIB, "text_encoder": 10 * GIB, "vae": 1 * GIB}, 4 * GIB, 12 * GIB, 3 * GIB)


def test_each_rung_takes_what_arithmetic_says() -> None:
    taken = {str(rung): needs.on_device(rung) / GIB for rung in LADDER}
    assert taken == {
        "resident": 43.0,
        "resident + tiling": 35.0,
        "resident + fp8 + tiling": 25.0,
        "swap + tiling": 24.0,
        "swap + fp8 + tiling": 14.0,
        "stream + tiling": pytest.approx(20 * 0.12 + 4),
    }
    assert needs.on_host(LADDER[0]) == 0
    assert needs.on_host(LADDER[3]) == 31 * GIB


@given(st.integers(1, 80))
def test_the_first_rung_that_fits_is_chosen(gib: int) -> None:
    chosen = choose(needs, LADDER, gib * GIB)
    fitting = [rung for rung in LADDER if needs.on_device(rung) + HEADROOM <= gib * GIB]
    assert chosen == (fitting[0] if fitting else None)


def test_the_ladder_ends_and_keeps_what_the_recipe_asks_for() -> None:
    assert smaller(LADDER, LADDER[-1]) is None
    assert [str(rung) for rung in rungs(tiny(), "cpu")] == ["resident", "resident + tiling"]
    fp8 = rungs(tiny(levers={"fp8": True}), "cuda:0")
    assert all(rung.fp8 for rung in fp8)
    assert len(set(fp8)) == len(fp8)


def test_memory_follows_the_size_of_the_largest_part() -> None:
    recipe = RECIPES["wan2.2-ti2v-5b"]
    full = Needs.of(recipe, {})
    half = Needs.of(recipe, {}, pixels=1280 * 720 * 120 // 2)
    assert half.denoise == pytest.approx(full.denoise / 2, rel=0.01)


# -- the machine ---------------------------------------------------------------------------------------------------------


class FakeNvml:
    """The management library's answers for cards of 24 and 80 GiB."""

    SIZES = (24 * GIB, 80 * GIB)

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self.SIZES)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, number: int, handle: Any) -> int:  # noqa: N802
        handle._obj.value = number + 1
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:  # noqa: N802
        memory._obj.total, memory._obj.free = self.SIZES[handle.value - 1], GIB
        return 0

    def nvmlDeviceGetName(self, handle: Any, name: Any, length: int) -> int:  # noqa: N802
        name.value = f"card {handle.value - 1}".encode()
        return 0


@pytest.mark.parametrize(
    ("visible", "names"),
    [(None, ["card 0", "card 1"]), ("1", ["card 1"]), ("1,0", ["card 1", "card 0"]), ("", []), ("-1", [])],
)
def test_gpus_are_counted_as_torch_counts_them(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, names: list[str]
) -> None:
    monkeypatch.setattr(machine, "_library", FakeNvml)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = machine.devices()
    assert [device.model for device in found] == names
    assert [device.name for device in found] == [f"cuda:{number}" for number in range(len(names))]
    best = machine.best_device()
    assert best.model == ("card 1" if names else "CPU")


def test_without_a_driver_there_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_library", lambda: None)
    assert machine.devices() == []
    assert machine.best_device().name == "cpu"
    assert machine.best_device("cuda:1").total == 0


# -- estimates -----------------------------------------------------------------------------------------------------------


def test_the_formula_counts_what_the_page_says() -> None:
    recipe = RECIPES["wan2.2-i2v-a14b"]
    made = sizes.schedule(recipe, sizes.plan_clip(recipe, Shot(), None))
    tokens = 80 * 45 * 21
    assert eta.tokens(recipe, 1280, 720, 81) == tokens
    work = 2 * 14.3e9 * tokens + 4 * 40 * tokens**2 * 5120
    assert eta.step_seconds(recipe, made, rate=5e14) == pytest.approx(2 * work / 5e14)


def test_history_is_a_moving_mean_and_survives_rot(tmp_path: Path) -> None:
    history = eta.History(tmp_path / "models" / "timings.json")
    assert history.get("a") is None
    history.add("a", eta.Timing(1.0, 2.0, 3.0))
    history.add("a", eta.Timing(3.0, 4.0, 5.0))
    assert history.get("a") == eta.Timing(2.0, 3.0, 4.0)
    assert history.get("b") is None
    (tmp_path / "models" / "timings.json").write_text('{"a": {"prompt": "soon"}}')
    assert history.get("a") is None
    (tmp_path / "models" / "timings.json").write_text("{")
    history.add("a", eta.Timing(1.0, 1.0, 1.0))
    assert history.get("a") == eta.Timing(1.0, 1.0, 1.0)


def test_the_seconds_left_follow_the_job_as_it_goes() -> None:
    now = [0.0]
    pace = eta.Pace(eta.Timing(prompt=1.0, step=2.0, decode=3.0), parts=1, steps=4, clock=lambda: now[0])
    assert pace.tell("prompt", 0, 0) == (0.0, 12.0)
    now[0] = 1.0
    assert pace.tell("denoise", 0, 4) == (pytest.approx(1 / 12), 11.0)
    now[0] = 9.0  # two steps in eight seconds: slower than thought
    share, left = pace.tell("denoise", 2, 4)
    assert left == pytest.approx(2 * 4 + 3)
    assert share == pytest.approx(9 / 20)
    now[0] = 17.0
    pace.tell("denoise", 4, 4)
    now[0] = 17.5
    pace.tell("decode", 4, 4)
    now[0] = 20.0
    assert pace.finish() == eta.Timing(prompt=1.0, step=16.5 / 4, decode=2.5)


# -- the page ------------------------------------------------------------------------------------------------------------


def test_the_page_names_every_recipe_and_every_lever() -> None:
    page = (Path(__file__).parents[3] / "docs" / "diffusers.md").read_text("utf-8")
    keys = [lever.key for lever in LEVERS if lever.key != "lora"]
    assert keys == [name for name in Levers.__struct_fields__ if name != "mag_ratios"]
    for name in [*RECIPES, *keys, *(str(rung) for rung in LADDER)]:
        assert f"`{name}`" in page
