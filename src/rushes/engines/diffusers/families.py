"""How the pipelines of each family are called: what their signatures have in common, and where they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rushes.engines.diffusers.recipe import Recipe


@dataclass(frozen=True)
class Family:
    """`text` and `image` are the pipeline classes of diffusers (one class may be both). `guide` turns a guidance scale
    into arguments of the call, and may set it in the pipeline itself. `timed` pipelines take the frame rate. `shared`
    are the components that a second checkpoint of the family has in common with the first; `modules` the parts of
    diffusers, besides its models, that components may come from. `parallel` transformers can share out their tokens."""

    text: str
    image: str
    guide: Callable[[Any, Recipe, float], dict[str, Any]]
    timed: bool = False
    shared: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    parallel: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name in (self.text, self.image) if name))


def _scale(pipe: Any, recipe: Recipe, scale: float) -> dict[str, Any]:
    return {"guidance_scale": scale}


def _two_experts(pipe: Any, recipe: Recipe, scale: float) -> dict[str, Any]:
    """The second expert's scale keeps its proportion to the first's."""
    arguments = {"guidance_scale": scale}
    if recipe.guidance.second is not None and pipe.config.boundary_ratio is not None:
        own = recipe.guidance.scale or 1.0
        arguments["guidance_scale_2"] = max(1.0, recipe.guidance.second * scale / own)
    return arguments


def _ltx(pipe: Any, recipe: Recipe, scale: float) -> dict[str, Any]:
    """Sound has a guidance of its own in the same proportion; a distilled model has none of any kind."""
    if recipe.distilled:
        off = {"stg_scale": 0.0, "modality_scale": 1.0, "audio_stg_scale": 0.0, "audio_modality_scale": 1.0}
        return {"guidance_scale": 1.0, "audio_guidance_scale": 1.0, **off}
    return {"guidance_scale": scale, "audio_guidance_scale": max(1.0, 7.0 * scale / recipe.guidance.scale)}


def _guider(pipe: Any, recipe: Recipe, scale: float) -> dict[str, Any]:
    pipe.guider = pipe.guider.new(guidance_scale=scale)
    return {}


FAMILIES: dict[str, Family] = {
    "wan": Family(
        "WanPipeline",
        "WanImageToVideoPipeline",
        _two_experts,
        shared=("tokenizer", "text_encoder", "vae"),
        parallel=True,
    ),
    "ltx2": Family("LTX2Pipeline", "LTX2ImageToVideoPipeline", _ltx, timed=True, modules=("ltx2",)),
    "cogvideox": Family(
        "CogVideoXPipeline",
        "CogVideoXImageToVideoPipeline",
        _scale,
        shared=("tokenizer", "text_encoder", "vae"),
    ),
    "hunyuan15": Family("HunyuanVideo15Pipeline", "", _guider, modules=("diffusers.guiders",)),
    "kandinsky6": Family(
        "Kandinsky6TI2VAPipeline", "Kandinsky6TI2VAPipeline", _scale, timed=True, modules=("kandinsky6",)
    ),
}
