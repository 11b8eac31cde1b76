"""From a folder of checked weights to pipelines that are ready to run, placed and with their levers set."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rushes.core.errors import EngineError, OutOfMemory, SetupError
from rushes.core.request import Phase
from rushes.engines.base import Control
from rushes.engines.diffusers import levers
from rushes.engines.diffusers.families import FAMILIES
from rushes.engines.diffusers.guard import Guard
from rushes.engines.diffusers.placement import Placement
from rushes.engines.diffusers.ranks import Alone, Ranks
from rushes.engines.diffusers.recipe import Recipe
from rushes.engines.diffusers.weights import Weights, read_weights

ON_CPU = "float32"
"""A CPU computes in 32 bits: 16 are slower there, and not the same on every machine."""


@dataclass
class Loaded:
    """The pipelines of one recipe. `text` and `image` share what they have in common; either may be None."""

    recipe: Recipe
    device: str
    placement: Placement
    text: Any = None
    image: Any = None
    guard: Guard = field(default_factory=Guard)
    ranks: Alone = field(default_factory=Alone)
    seconds: float = 0.0
    _offloaded: Any = None
    _levers_set: bool = False
    _in_fp8: bool = False

    @property
    def pipelines(self) -> list[Any]:
        return [pipe for pipe in (self.text, self.image) if pipe is not None]

    def components(self) -> dict[str, Any]:
        return {name: part for pipe in self.pipelines for name, part in pipe.components.items()}

    def pick(self, with_image: bool) -> Any:
        """The pipeline for a part, on the device as far as its placement says."""
        pipe = self.image if with_image else self.text
        if self.placement.offload == "swap" and self._offloaded is not pipe:
            pipe.enable_model_cpu_offload(device=self.device)
            self._offloaded = pipe
        return pipe

    def clean(self) -> None:
        """After a job, however it ended: forget what hooks and caches keep of it."""
        self.ranks.settle()
        for pipe in self.pipelines:
            pipe.maybe_free_model_hooks()
        for component in self.components().values():
            if hasattr(component, "clear_cache"):
                component.clear_cache()

    def replace(self, placement: Placement) -> None:
        """Move to another rung of the ladder."""
        self.clean()
        self.ranks.move(placement)
        _place(self, placement)


def dtypes(recipe: Recipe, device: str) -> dict[str, str]:
    """The precision of each component, "default" for the rest."""
    if device == "cpu":
        return {"default": ON_CPU}
    return {"default": recipe.dtype, **recipe.dtypes}


def widths(recipe: Recipe, device: str) -> dict[str, int]:
    """The same in bytes per parameter."""
    return {name: 4 if kind == "float32" else 2 for name, kind in dtypes(recipe, device).items()}


def load(
    recipe: Recipe,
    folders: Mapping[str, Path],
    devices: Sequence[str],
    placement: Placement,
    control: Control,
    *,
    transformers_alone: bool = False,
) -> Loaded:
    """Load, check, place. `folders` has the recipe's own weights under its name and those of its `image_recipe` under
    that. The first of `devices` gets everything, each of the others a rank that follows it with the
    `transformers_alone`. Raises `SetupError` for weights that cannot be used, and what torch raises when memory runs
    out."""
    started = time.monotonic()
    with _with_ranks(recipe, folders, devices, placement) as made:
        _load(made, folders, control, transformers_alone)
        if made.ranks.world > 1:
            control.progress(Phase.LOAD, 0.95, f"waiting for {made.ranks.world} ranks")
        _lead(made)
    made.seconds = time.monotonic() - started
    return made


def adopt(
    recipe: Recipe, pipe: Any, folders: Mapping[str, Path], devices: Sequence[str], placement: Placement
) -> Loaded:
    """The same over a pipeline that is in memory already, such as one of random weights to measure speed with. Only
    ranks, where there are any, read what is in the `folders`."""
    with _with_ranks(recipe, folders, devices, placement) as made:
        _seat(made, pipe, recipe)
        _place(made, placement)
        _lead(made)
    return made


@contextmanager
def _with_ranks(
    recipe: Recipe, folders: Mapping[str, Path], devices: Sequence[str], placement: Placement
) -> Iterator[Loaded]:
    """Nothing but its ranks, which load meanwhile, and end when it fails."""
    made = Loaded(recipe, devices[0], placement)
    if len(devices) > 1:
        made.ranks = Ranks(recipe, folders, placement, devices)
    try:
        yield made
    except BaseException:
        made.ranks.close()
        raise


def _load(made: Loaded, folders: Mapping[str, Path], control: Control, transformers_alone: bool) -> None:
    recipe, device = made.recipe, made.device
    own = read_weights(recipe, folders[recipe.name])
    control.progress(Phase.LOAD, 0.02, "reading the weights")
    pipe = _read(recipe, own, device, _left_out(own) if transformers_alone else None)
    family = FAMILIES[recipe.family]
    _seat(made, pipe, recipe)
    if recipe.image_recipe:
        other = _other(recipe, folders)
        control.progress(Phase.LOAD, 0.62, "reading the second checkpoint")
        shared = {name: getattr(pipe, name) for name in family.shared}
        made.image = _read(recipe, other, device, shared)
    _check_whole(made)
    _fuse_loras(made, folders)
    control.progress(Phase.LOAD, 0.7, f"placing: {made.placement}")
    _place(made, made.placement)
    control.progress(Phase.LOAD, 0.9, "checking the weights")
    _check_finite(made, control)


def _lead(made: Loaded) -> None:
    """What is loaded leads its ranks, tells where it is, and can be stopped."""
    made.ranks.lead(levers.all_transformers(made.pipelines))
    made.guard.word = made.ranks.say
    made.guard.watch(made.components())
    for pipe in made.pipelines:
        pipe.progress_bar = lambda *_, total=0, **__: made.guard.steps(total)


def _left_out(weights: Weights) -> dict[str, Any]:
    """All that the pipeline wants but its transformers and the scheduler, there or not."""
    import diffusers

    wanted = inspect.signature(getattr(diffusers, weights.pipeline)).parameters.values()
    needed = [each.name for each in wanted if each.default is each.empty]
    return {
        name: None
        for name in (*needed, *weights.parameters)
        if not name.startswith(("transformer", "scheduler"))
    }


def _seat(made: Loaded, pipe: Any, recipe: Recipe) -> None:
    """Put the pipeline where its class belongs, and make its twin of the same components where the recipe has both."""
    import diffusers

    family, name = FAMILIES[recipe.family], type(pipe).__name__
    both = recipe.text and recipe.image and not recipe.image_recipe
    if family.text == family.image:
        made.text, made.image = (pipe if recipe.text else None), (pipe if recipe.image else None)
    elif not both:
        if recipe.text:
            made.text = pipe if name == family.text else _twin(getattr(diffusers, family.text), pipe)
        else:
            made.image = pipe if name == family.image else _twin(getattr(diffusers, family.image), pipe)
    else:
        text, image = getattr(diffusers, family.text), getattr(diffusers, family.image)
        made.text = pipe if name == family.text else _twin(text, pipe)
        made.image = pipe if name == family.image else _twin(image, pipe)


def _twin(cls: Any, pipe: Any) -> Any:
    """A pipeline of another class over the same components. (`from_pipe` would widen the shared weights.)"""
    wanted = inspect.signature(cls.__init__).parameters
    given = {
        **{key: value for key, value in pipe.config.items() if not key.startswith("_")},
        **pipe.components,
    }
    return cls(**{name: given[name] for name in wanted if name in given})


def _read(recipe: Recipe, weights: Weights, device: str, shared: Mapping[str, Any] | None = None) -> Any:
    import diffusers
    import torch

    kinds = {name: getattr(torch, kind) for name, kind in dtypes(recipe, device).items()}
    cls = getattr(diffusers, weights.pipeline)
    try:
        pipe = cls.from_pretrained(
            str(weights.folder), use_safetensors=True, local_files_only=True, dtype=kinds, **(shared or {})
        )
    except ImportError as error:
        raise SetupError(
            f"recipe {recipe.name} needs a library that is not installed: {_first_line(error)}",
            advice="Install it beside the extra `rushes[diffusers]`, in the build that fits your torch.",
        ) from None
    except (ValueError, KeyError, OSError, TypeError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise SetupError(
            f"the weights in {weights.folder} cannot be loaded: {_first_line(error)}",
            advice=f"`rushes pull {recipe.name} --verify` compares every byte with what was published.",
        ) from None  # the kept traceback would pin what was loaded so far
    if recipe.scheduler:
        changes = dict(recipe.scheduler)
        kind = getattr(diffusers, changes.pop("class", type(pipe.scheduler).__name__))
        pipe.scheduler = kind.from_config(pipe.scheduler.config, **changes)
    for component in pipe.components.values():
        if isinstance(component, torch.nn.Module):
            component.eval().requires_grad_(False)
    return pipe


def _other(recipe: Recipe, folders: Mapping[str, Path]) -> Weights:
    from rushes.engines.diffusers.recipe import read_recipe

    return read_weights(read_recipe(recipe.image_recipe), folders[recipe.image_recipe])


def _tensors(made: Loaded) -> Iterator[tuple[str, str, Any]]:
    """(component, name, tensor) of everything that was loaded, once."""
    import torch

    for name, component in made.components().items():
        if isinstance(component, torch.nn.Module):
            for tensor_name, tensor in component.named_parameters():
                yield name, tensor_name, tensor


def _check_whole(made: Loaded) -> None:
    """A tensor that no file holds stays an empty promise."""
    for name, tensor_name, tensor in _tensors(made):
        if tensor.is_meta:
            raise SetupError(
                f"the weights of {name} lack '{tensor_name}'",
                advice=f"Run `rushes pull {made.recipe.name} --verify`.",
            )


def _check_finite(made: Loaded, control: Control) -> None:
    """Rotten weights load without a word and make noise or nothing; here they are refused by name."""
    import torch

    for name, tensor_name, tensor in _tensors(made):
        control.check()
        if not tensor.is_floating_point():
            continue
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
            tensor = tensor.dequantize()  # of torchao's kinds, which cannot be added up
        wide = tensor.bfloat16() if tensor.itemsize == 1 else tensor
        if not torch.isfinite(wide.sum(dtype=torch.float64)):
            raise SetupError(
                f"the weights of {name} are broken: '{tensor_name}' holds values that are not finite",
                advice=f"`rushes pull {made.recipe.name} --verify` finds the damaged file and fetches it again.",
            )


def _fuse_loras(made: Loaded, folders: Mapping[str, Path]) -> None:
    for number, lora in enumerate(made.recipe.lora):
        file = Path(lora.file).expanduser()
        path = file if file.is_absolute() else folders[made.recipe.name] / "lora" / file
        if not path.is_file():
            raise SetupError(f"the LoRA {path} is missing", advice=f"Run `rushes pull {made.recipe.name}`.")
        for pipe in made.pipelines:
            if getattr(pipe, lora.component, None) is None:
                continue
            second = {"load_into_transformer_2": True} if lora.component == "transformer_2" else {}
            try:
                pipe.load_lora_weights(
                    str(path.parent),
                    weight_name=path.name,
                    adapter_name=f"lora{number}",
                    local_files_only=True,
                    **second,
                )
                pipe.fuse_lora(
                    components=[lora.component], lora_scale=lora.weight, adapter_names=[f"lora{number}"]
                )
            except (ValueError, KeyError, RuntimeError, ImportError) as error:
                raise SetupError(
                    f"the LoRA {path} does not fit {lora.component}: {_first_line(error)}",
                    advice="Take it off the recipe, or choose the one made for this model.",
                ) from error
            pipe.unload_lora_weights()
            break  # twins share the component


def _place(made: Loaded, placement: Placement) -> None:
    """Levers once; tiling, precision and whereabouts for each rung anew."""
    import torch

    made.placement, made._offloaded = placement, None
    heads = {id(pipe.transformer): pipe for pipe in made.pipelines}.values()  # twins share their transformer
    for pipe in heads:
        levers.set_tiling(pipe, placement.tiling)
        if placement.fp8 and not made._in_fp8:
            levers.store_in_fp8(pipe)
        if not made._levers_set:
            if made.recipe.levers.torchao:
                levers.quantise(pipe, made.recipe.levers.torchao, made.device)
            levers.apply(pipe, made.recipe)
    made._levers_set, made._in_fp8 = True, made._in_fp8 or placement.fp8
    if placement.offload == "none":
        for pipe in made.pipelines:
            pipe.to(made.device)
    elif placement.offload == "stream":
        for pipe in made.pipelines:
            pipe.remove_all_hooks()  # those of the swap
        _stream(made, torch.device(made.device))


def _stream(made: Loaded, device: Any) -> None:
    """Blocks of the transformers and layers of the encoders come to the device one by one; the VAEs stay on it."""
    from diffusers.hooks import apply_group_offloading

    for name, component in made.components().items():
        if not hasattr(component, "parameters"):
            continue
        if name.startswith("transformer"):
            how: dict[str, Any] = {"offload_type": "block_level", "num_blocks_per_group": 1}
        elif name.startswith("text_encoder"):
            how = {"offload_type": "leaf_level"}
        else:
            component.to(device)
            continue
        apply_group_offloading(component, onload_device=device, use_stream=device.type == "cuda", **how)


def is_out_of_memory(error: BaseException) -> bool:
    """torch's own error for a GPU, and what a CPU says."""
    text = str(error)
    return (
        isinstance(error, MemoryError | OutOfMemory)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text))
    )


def require_libraries() -> None:
    """Raises `EngineError` saying what to install. The libraries fall silent but for errors, unless their own variables
    say otherwise: what matters of their warnings (a cut prompt, a missing tensor) is told here in words of the house."""
    try:
        import diffusers
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise EngineError(
            f"the diffusers engine needs {error.name}, which is not installed",
            advice="Install it with `pip install 'rushes[diffusers]'`, with the torch that fits your GPU first.",
        ) from error
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
        if f"{library.__name__.upper()}_VERBOSITY" not in os.environ:
            library.utils.logging.set_verbosity_error()


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
