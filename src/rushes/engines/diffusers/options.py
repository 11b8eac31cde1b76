"""The options of a card's `[engine]` table: checked, and laid over the recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rushes.core.errors import SetupError
from rushes.engines.diffusers.placement import LADDER, Placement
from rushes.engines.diffusers.recipe import Levers, Lora, Recipe, check_recipe

OPTIONS = ("recipe", "weights", "models", "device", "placement", "steps", "levers", "lora")


def default_models() -> Path:
    """Where weights lie when nobody says otherwise."""
    import platformdirs

    return platformdirs.user_data_path("rushes") / "models"


def check_options(options: Mapping[str, Any]) -> None:
    """Raises `SetupError` for the first that is unknown or wrong."""
    for key, value in options.items():
        if key not in OPTIONS:
            raise SetupError(
                f"engine diffusers: option '{key}' is not known; options: {', '.join(OPTIONS)}",
                advice="Correct the [engine] table of the card.",
            )
        kind = {"steps": int, "levers": dict, "lora": list}.get(key, str)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise SetupError(
                f"engine diffusers: option '{key}' is {value!r}; it must be a {kind.__name__}",
                advice="Correct the [engine] table of the card.",
            )
    if "recipe" not in options:
        raise SetupError(
            "engine diffusers: option 'recipe' is missing", advice="`rushes engines` lists the recipes."
        )
    device = options.get("device", "auto")
    names = [name.strip() for name in device.split(",")]
    if device not in ("auto", "cpu", "cuda") and (
        len(set(names)) < len(names) or not all(re.fullmatch(r"cuda:\d+", name) for name in names)
    ):
        raise SetupError(
            f"engine diffusers: option 'device' is '{device}'; allowed: auto, cpu, cuda, cuda:N, or several different"
            " cuda:N separated by commas",
            advice="Correct the [engine] table of the card.",
        )
    if not 1 <= options.get("steps", 1) <= 200:
        raise SetupError(f"engine diffusers: option 'steps' is {options['steps']}; allowed: 1 to 200")


def adjusted(recipe: Recipe, options: Mapping[str, Any]) -> Recipe:
    """The recipe with the card's own steps, levers and LoRAs."""
    try:
        changed = {**msgspec.structs.asdict(recipe.levers), **options.get("levers", {})}
        levers = msgspec.convert(changed, Levers)
        loras = msgspec.convert(options.get("lora", []), tuple[Lora, ...])
    except msgspec.ValidationError as error:
        raise SetupError(
            f"engine diffusers: {error}", advice="Correct the [engine] table of the card."
        ) from None
    changed_recipe = msgspec.structs.replace(
        recipe, steps=options.get("steps", recipe.steps), levers=levers, lora=(*recipe.lora, *loras)
    )
    check_recipe(f"engine diffusers: recipe {recipe.name}", changed_recipe)
    return changed_recipe


def rung_called(name: str | None, recipe: Recipe) -> Placement | None:
    """The rung of that name; None stays None. Raises `SetupError` for one that is not there, or not for `recipe`."""
    if name is None:
        return None
    known = {str(rung): rung for rung in LADDER}
    if name not in known:
        raise SetupError(
            f"engine diffusers: option 'placement' is '{name}'; allowed: {', '.join(known)}",
            advice="Correct the [engine] table of the card, or leave it out: it is planned from the free memory.",
        )
    for lever, pulled in {
        "context_parallel": recipe.levers.context_parallel > 1,
        "torchao": bool(recipe.levers.torchao),
    }.items():
        if pulled and known[name].offload != "none":
            raise SetupError(
                f"engine diffusers: option 'placement' is '{name}', which does not go with {lever}",
                advice="Choose a resident placement: ranks may not wait for weights, and torchao's do not travel.",
            )
    return known[name]
