"""The levers: what makes a model faster or smaller, each one key of the recipe, each applied here and nowhere else.

`LEVERS` says what each does, what was published about it, and what this project measured; an empty `measured` means
that nobody has measured it here yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rushes.core.errors import SetupError
from rushes.engines.diffusers.recipe import Recipe


@dataclass(frozen=True)
class Lever:
    key: str
    effect: str
    published: str
    measured: str = ""


LEVERS: tuple[Lever, ...] = (
    Lever(
        "attention",
        "another attention kernel, by diffusers' name; it holds for the whole studio",
        "Wan 2.1 I2V 14B at 480p on an H100: 9.77 s a step with the default",
    ),
    Lever(
        "compile",
        "the repeated blocks are compiled once, at the first clip of a size",
        "no figure for these models was found",
    ),
    Lever(
        "first_block_cache",
        "a step whose first block hardly changes reuses the rest of the one before; the value is the threshold",
        "1.6 to 1.9 times faster; pointless at 4 steps",
    ),
    Lever(
        "mag_cache",
        "steps are skipped by magnitudes known for the checkpoint (`mag_ratios`); the value is the threshold;"
        " not for two experts",
        "1.6 to 1.9 times faster; pointless at 4 steps",
    ),
    Lever(
        "fp8",
        "the transformer is stored in 8 bits and widened layer by layer, which breaks the graphs of `compile`",
        "halves its memory",
    ),
    Lever(
        "torchao",
        "the blocks of the transformer in 8 bits by torchao: `int8` weights, or `fp8` in weights and sums; needs the"
        " extra `rushes[torchao]`",
        "halves its memory",
    ),
    Lever("tiling", "the VAE encodes and decodes in tiles", "less memory at decode, a little more time"),
    Lever(
        "context_parallel",
        "the tokens of a step are shared out over that many GPUs of one studio",
        "no figure for these models was found",
    ),
    Lever(
        "lora",
        "a distilled low-rank addition is fused at load: 4 steps without guidance",
        "Wan 2.2 A14B at 720p on an H200: 974 s → 44 s",
    ),
)


def apply(pipe: Any, recipe: Recipe) -> None:
    """Set what the recipe asks for. Raises `SetupError` for a lever that this installation does not have."""
    levers = recipe.levers
    if (
        levers.mag_cache and len(transformers(pipe)) > 1
    ):  # each expert would count its own steps from the first ratio
        raise SetupError(
            f"lever mag_cache is for models of one transformer; {recipe.name} has two experts",
            advice="Take it off the recipe or the card.",
        )
    for model in transformers(pipe):
        if levers.attention:
            _try("attention", levers.attention, partial(model.set_attention_backend, levers.attention))
        if levers.first_block_cache or levers.mag_cache:
            _try("cache", type(model).__name__, partial(model.enable_cache, _cache(recipe)))
        if levers.compile:
            model.compile_repeated_blocks(dynamic=False)


def transformers(pipe: Any) -> list[Any]:
    """The denoiser, or both experts."""
    found = (getattr(pipe, name, None) for name in ("transformer", "transformer_2"))
    return [model for model in found if model is not None]


def all_transformers(pipes: Iterable[Any]) -> list[Any]:
    """Those of several pipelines, each once."""
    found = {id(model): model for pipe in pipes for model in transformers(pipe)}
    return list(found.values())


def store_in_fp8(pipe: Any) -> None:
    import torch

    for model in transformers(pipe):
        model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=model.dtype)


def quantise(pipe: Any, kind: str, device: str) -> None:
    """The linear layers of the blocks, where nearly all weights are; each is brought to `device` before it is made
    small, so the whole model never lies there at its full size. Raises `SetupError`."""
    try:
        from torchao import quantization
    except ImportError:
        raise SetupError(
            f"lever torchao = {kind!r} needs torchao, which is not installed",
            advice="Install it with `pip install 'rushes[torchao]'`, or use the lever fp8.",
        ) from None
    config = {
        "int8": quantization.Int8WeightOnlyConfig,
        "fp8": quantization.Float8DynamicActivationFloat8WeightConfig,
    }[kind]()
    for model in transformers(pipe):
        try:
            quantization.quantize_(model, config, _in_a_block, device=device)
        except AssertionError as error:  # how torchao says that a device is too old
            raise SetupError(
                f"lever torchao = {kind!r} cannot be had here: {error}",
                advice="Choose int8, or the lever fp8.",
            ) from error


def _in_a_block(module: Any, name: str) -> bool:
    import torch

    return isinstance(module, torch.nn.Linear) and "blocks." in name


def set_tiling(pipe: Any, on: bool) -> None:
    for name in ("vae", "audio_vae"):
        vae = getattr(pipe, name, None)
        change = getattr(vae, "enable_tiling" if on else "disable_tiling", None)
        if change is not None:
            change()


def _cache(recipe: Recipe) -> Any:
    from diffusers.hooks import FirstBlockCacheConfig
    from diffusers.hooks.mag_cache import MagCacheConfig

    levers = recipe.levers
    if levers.mag_cache:
        return MagCacheConfig(
            threshold=levers.mag_cache, num_inference_steps=recipe.steps, mag_ratios=list(levers.mag_ratios)
        )
    return FirstBlockCacheConfig(threshold=levers.first_block_cache)


def _try(lever: str, value: str, pull: Callable[[], object]) -> None:
    try:
        pull()
    except (ValueError, RuntimeError, ImportError) as error:
        raise SetupError(
            f"lever {lever} = {value!r} cannot be had here: {error}",
            advice="Take it off the recipe or the card, or install what it needs.",
        ) from error
