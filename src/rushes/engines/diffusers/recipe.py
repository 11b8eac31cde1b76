"""A recipe: how one open-weight model is loaded and run on a class of GPU. Data, not code.

What a checkpoint cannot say about itself stands here: its licence, the sizes and lengths it was trained for, its steps
and guidance, the memory it will want, and the levers that make it fast. The built-in recipes lie beside this file; an
operator's own is any TOML file with the same keys, named by its path.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from rushes.core.errors import SetupError

GIB = 2**30
FOLDER = Path(__file__).parent / "recipes"

Basis = Literal["measured", "published", "estimated"]


class Licence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`name` as its authors call it, the page with its text, and the clauses an operator must know before using it:
    revenue, territory, use. `accept` says that `rushes pull` must be told so in words."""

    name: str
    url: str
    clauses: tuple[str, ...] = ()
    accept: bool = False


class ClipRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sizes and lengths. `sizes` are the delivered (width, height) of mode *pro* per aspect ratio. Generated are
    multiples of `multiple` pixels and `frame_step`·k + 1 frames, cut to what is delivered; `canvas` is the one size a
    model can make, from which every ratio is cut. A clip longer than `native_seconds` is extended from its last frame,
    up to `max_seconds`."""

    fps: int
    multiple: int
    frame_step: int
    native_seconds: int
    max_seconds: int
    sizes: dict[str, tuple[int, int]]
    canvas: tuple[int, int] | None = None


class Guidance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`scale` is the model's own at cfg_scale 0.5; 0 makes it `least`, 1 makes it `most` times `scale`. `scale` 0
    marks a distilled model, which knows neither guidance nor a negative prompt. `second` is the scale of the second
    expert (low noise) where there is one."""

    scale: float
    second: float | None = None
    least: float = 1.5
    most: float = 1.6


class Memory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GiB, before the weights are there to be measured. `components` at the recipe's own precision; the rest is what
    running takes on top for the native length at the 16:9 size: while denoising, and while decoding whole or in tiles."""

    components: dict[str, float]
    denoise: float
    decode: float
    decode_tiled: float
    basis: Basis = "estimated"


class Cost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the first estimate of time needs: active parameters (billions), layers, width of a token, and the pixels
    (one side) and frames that one token covers. `forwards` is how often the model runs per step."""

    billions: float
    layers: int
    width: int
    pixels: int
    frames: int
    forwards: int = 2


class Lora(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A low-rank addition fused into `component` at load: `file` of the hub's `repo`, or a local path."""

    file: str
    repo: str = ""
    revision: str = "main"
    component: str = "transformer"
    weight: float = 1.0


class Levers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes it faster or smaller; `levers.py` says what each does and what it is known to bring."""

    attention: str = ""
    compile: bool = False
    first_block_cache: float = 0.0
    mag_cache: float = 0.0
    mag_ratios: tuple[float, ...] = ()
    fp8: bool = False
    torchao: Literal["", "int8", "fp8"] = ""
    tiling: bool = False
    context_parallel: int = 1


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`family` names the way its pipeline is called (`families.py`); `image_recipe` another recipe whose weights serve
    images and extensions where this checkpoint knows text alone, or the other way round. `scheduler` replaces entries
    of the checkpoint's scheduler configuration (`class` changes it), `call` adds arguments to the pipeline's call."""

    name: str
    title: str
    family: str
    repo: str
    revision: str = "main"
    gpu: str = ""
    text: bool = True
    image: bool = True
    sound: bool = False
    image_recipe: str = ""
    steps: int
    prompt_tokens: int = 512
    negative_prompt: str = ""
    dtype: str = "bfloat16"
    dtypes: dict[str, str] = {}
    licence: Licence
    clip: ClipRules
    guidance: Guidance
    memory: Memory
    cost: Cost
    levers: Levers = Levers()
    lora: tuple[Lora, ...] = ()
    scheduler: dict[str, Any] = {}
    call: dict[str, Any] = {}

    @property
    def distilled(self) -> bool:
        return self.guidance.scale == 0

    def guidance_at(self, cfg_scale: float) -> float:
        """The model's guidance for `cfg_scale` 0…1: piecewise linear through its own value in the middle."""
        own, low, high = self.guidance.scale, self.guidance.least, self.guidance.scale * self.guidance.most
        if self.distilled:
            return 1.0
        if cfg_scale <= 0.5:
            return low + (own - low) * cfg_scale / 0.5
        return own + (high - own) * (cfg_scale - 0.5) / 0.5


def built_in() -> dict[str, Path]:
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def read_recipes() -> list[Recipe]:
    return [read_recipe(name) for name in built_in()]


def read_recipe(name: str) -> Recipe:
    """The built-in recipe called `name`, or the one in the file at that path. Raises `SetupError`."""
    known = built_in()
    path = known.get(name)
    if path is None and name.endswith(".toml"):
        path = Path(name).expanduser()
    if path is None:
        raise SetupError(
            f"there is no recipe '{name}'; recipes: {', '.join(known)}",
            advice="`rushes engines` lists them; a recipe of your own is named by the path of its .toml file.",
        )
    return _read(path)


@cache
def _read(path: Path) -> Recipe:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SetupError(
            f"the recipe {path} cannot be read: {error}", advice="It must be a TOML file."
        ) from error
    return parse_recipe(path.name, table)


def parse_recipe(source: str, table: Mapping[str, Any]) -> Recipe:
    """Raises `SetupError` naming `source` and the key."""
    try:
        recipe = msgspec.convert(table, Recipe)
    except msgspec.ValidationError as error:
        raise SetupError(f"recipe {source}: {error}", advice="Correct that key of the recipe.") from None
    check_recipe(f"recipe {source}", recipe)
    return recipe


def check_recipe(source: str, recipe: Recipe) -> None:
    """Raises `SetupError` naming `source` and all that does not go together."""
    from rushes.engines.diffusers.families import FAMILIES

    faults = list(_faults(recipe, FAMILIES))
    if faults:
        raise SetupError(
            f"{source}: {'; '.join(faults)}", advice="Correct the recipe, or the card's `levers`."
        )


def _faults(recipe: Recipe, families: Mapping[str, Any]) -> Any:
    clip = recipe.clip
    if recipe.family not in families:
        yield f"family is '{recipe.family}'; families: {', '.join(families)}"
    if not (recipe.text or recipe.image):
        yield "text and image are both off: it could make nothing"
    if not 1 <= clip.native_seconds <= clip.max_seconds:
        yield f"native_seconds {clip.native_seconds} must be from 1 to max_seconds {clip.max_seconds}"
    if clip.max_seconds > clip.native_seconds and not recipe.image:
        yield f"max_seconds {clip.max_seconds} needs extension from a frame, but image is off"
    for ratio, (width, height) in clip.sizes.items():
        if width % 2 or height % 2 or min(width, height) < 16:
            yield f"sizes.{ratio} is {width}×{height}: both sides must be even and at least 16"
        if clip.canvas is not None and (width > clip.canvas[0] or height > clip.canvas[1]):
            yield f"sizes.{ratio} {width}×{height} does not fit the canvas {clip.canvas[0]}×{clip.canvas[1]}"
    if "16:9" not in clip.sizes:
        yield "sizes must have 16:9, the size of a clip for which no ratio is asked"
    if recipe.levers.mag_cache and not recipe.levers.mag_ratios:
        yield "levers.mag_cache needs levers.mag_ratios, which belong to one checkpoint"
    if recipe.levers.mag_cache and recipe.levers.first_block_cache:
        yield "levers.mag_cache and levers.first_block_cache exclude each other"
    if recipe.levers.torchao and recipe.levers.fp8:
        yield "levers.torchao and levers.fp8 exclude each other: both store the transformer in 8 bits"
    if recipe.levers.context_parallel < 1:
        yield f"levers.context_parallel is {recipe.levers.context_parallel}: it counts GPUs, and 1 is off"
    if recipe.levers.context_parallel > 1:
        if recipe.levers.mag_cache or recipe.levers.first_block_cache:
            yield "levers.context_parallel and the caches exclude each other: ranks would skip different blocks"
        if recipe.family in families and not families[recipe.family].parallel:
            able = ", ".join(name for name, family in families.items() if family.parallel)
            yield f"levers.context_parallel is not known for family '{recipe.family}'; it is for {able}"
