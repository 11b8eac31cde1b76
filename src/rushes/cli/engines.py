"""`rushes engines`: which engines are installed, and which open-weight models this machine could run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from typing import Annotated

import typer

from rushes.cli.flags import with_settings
from rushes.cli.screen import AsJson, out, print_json, table
from rushes.settings import Settings

GIB = 2**30


@dataclass(frozen=True)
class Row:
    """One recipe: what it makes, whether its weights are here, and how it would lie on this machine's device."""

    recipe: str
    makes: str
    licence: str
    pulled: bool
    fits: str


def recipe_names() -> list[str]:
    """For shell completion."""
    return _names()


RecipeName = typer.Argument(
    metavar="RECIPE", help="A recipe's name, or a .toml file.", autocompletion=recipe_names
)


@with_settings(("data", "models"))
def engines(
    settings: Settings, recipe: Annotated[str | None, RecipeName] = None, as_json: AsJson = False
) -> None:
    """Show the engines, and the recipes of the diffusers engine with what fits this machine; or one recipe."""
    from rushes.engines.diffusers import machine

    if recipe is not None:
        _one(settings, recipe, as_json)
        return
    names = sorted(point.name for point in entry_points(group="rushes.engines"))
    device = machine.best_device()
    rows = [_row(settings, name, device) for name in _names()]
    if as_json:
        print_json({"engines": names, "device": asdict(device), "recipes": [asdict(row) for row in rows]})
        return
    console = out()
    console.print(f"engines: {', '.join(names)}")
    console.print(
        f"device:  {device.name}, {device.model}, {device.total / GIB:.0f} GiB, {device.free / GIB:.0f} GiB free\n"
    )
    shown = table("recipe", "makes", "licence", "weights", "fits this machine")
    for row in rows:
        shown.add_row(row.recipe, row.makes, row.licence, "here" if row.pulled else "-", row.fits)
    console.print(shown)
    console.print("\nMemory is estimated until a recipe is pulled. `rushes pull RECIPE` fetches its weights.")


def _one(settings: Settings, name: str, as_json: bool) -> None:
    """What a recipe is, how it could lie on this machine, and which levers it pulls."""
    import msgspec
    from rich.markup import escape

    from rushes.engines.diffusers import DiffusersEngine
    from rushes.engines.diffusers.levers import LEVERS
    from rushes.engines.diffusers.recipe import Levers

    engine = DiffusersEngine({"recipe": name, "models": str(settings.models)})
    recipe = engine.recipe
    rungs = engine.planned()
    if as_json:
        print_json({**msgspec.to_builtins(recipe), "gib_by_placement": dict(rungs)})
        return
    console = out()
    console.print(f"{recipe.title}: {recipe.repo} at {recipe.revision}, for {recipe.gpu}", markup=False)
    console.print(f"licence: {recipe.licence.name}, {recipe.licence.url}", markup=False)
    for clause in recipe.licence.clauses:
        console.print(f"  - {clause}", markup=False)
    places = table("placement", "GiB on the device")
    for rung, size in rungs:
        places.add_row(rung, f"{size:.1f}")
    console.print()
    console.print(places)
    rows = table("lever", "set to", "what it does", "published", "measured here")
    for lever in LEVERS:
        value = recipe.lora if lever.key == "lora" else getattr(recipe.levers, lever.key)
        off = () if lever.key == "lora" else getattr(Levers(), lever.key)
        shown = str(len(value)) if isinstance(value, tuple) else str(value)
        cells = ("-" if value == off else shown, lever.effect, lever.published, lever.measured or "-")
        rows.add_row(lever.key, *map(escape, cells))
    console.print()
    console.print(rows)


def _names() -> list[str]:
    from rushes.engines.diffusers.recipe import built_in

    return list(built_in())


def _row(settings: Settings, name: str, device: object) -> Row:
    from rushes.engines.diffusers import DiffusersEngine, machine

    assert isinstance(device, machine.Device)
    engine = DiffusersEngine({"recipe": name, "models": str(settings.models), "device": device.name})
    recipe = engine.recipe
    kinds = [
        *["text"] * recipe.text,
        *["image"] * (recipe.image or bool(recipe.image_recipe)),
        *["sound"] * recipe.sound,
    ]
    width, height = recipe.clip.sizes["16:9"]
    makes = f"{'+'.join(kinds)}, {width}×{height}, {recipe.clip.fps} fps, {recipe.clip.max_seconds} s"
    fitting = [f"{rung} ({size:.0f} GiB)" for rung, size in engine.planned() if size * GIB <= device.total]
    pulled = all((folder / "model_index.json").is_file() for folder in engine.folders.values())
    return Row(name, makes, recipe.licence.name, pulled, fitting[0] if fitting else "too large")
