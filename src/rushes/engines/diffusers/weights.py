"""What a folder of weights says about itself, read from the headers of its files: nothing is loaded.

A safetensors file begins with eight bytes of length and a JSON table of its tensors, so sizes, precisions and a
truncated download are known at once, whatever the size of the model.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.core.errors import SetupError
from rushes.engines.diffusers.families import FAMILIES
from rushes.engines.diffusers.recipe import Recipe

BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
}  # fmt: skip
LIBRARIES = {"diffusers", "transformers"}
LONGEST_HEADER = 100_000_000
"""As the format itself allows."""


@dataclass(frozen=True)
class Weights:
    """A checked folder: the pipeline's class name and, per component, its number of parameters."""

    folder: Path
    pipeline: str
    parameters: Mapping[str, int]

    def bytes_at(self, widths: Mapping[str, int]) -> dict[str, int]:
        """Bytes per component when loaded with `widths` bytes per parameter; key "default" for the rest."""
        return {name: count * widths.get(name, widths["default"]) for name, count in self.parameters.items()}


def read_weights(recipe: Recipe, folder: Path) -> Weights:
    """Check the folder and sum up its headers. Raises `SetupError` for whatever would fail later, or worse, would not."""
    pull = f"`rushes pull {recipe.name}` fetches what is missing; `--verify` compares every byte."
    index = _index(folder, pull)
    name = index.get("_class_name")
    family = FAMILIES[recipe.family]
    classes, libraries = family.classes, LIBRARIES.union(family.modules)
    if name not in classes:
        raise SetupError(
            f"{folder} holds a {name}; recipe {recipe.name} runs {' or '.join(classes)}",
            advice="Choose the recipe that belongs to these weights.",
        )
    counts = {}
    for component, kind in _components(folder, index):
        files = _files(folder / component)
        _check_kind(folder, component, kind, libraries)
        if files:
            counts[component] = sum(math.prod(shape) for file in files for shape in _shapes(file, pull))
        elif _expects_weights(folder / component):
            raise SetupError(
                f"{folder / component} has no .safetensors file: its weights are missing", advice=pull
            )
    return Weights(folder, name, counts)


def _index(folder: Path, pull: str) -> dict[str, Any]:
    path = folder / "model_index.json"
    try:
        index = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SetupError(
            f"there are no weights in {folder}: it has no model_index.json", advice=pull
        ) from None
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} cannot be read: {error}", advice=pull) from error
    if not isinstance(index, dict):
        raise SetupError(f"{path} is no table of components", advice=pull)
    return index


def _components(folder: Path, index: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each component that is there, with its (library, class)."""
    for name, value in index.items():
        if name.startswith("_") or not isinstance(value, list) or len(value) != 2 or value[0] is None:
            continue
        if "/" in name or not (folder / name).is_dir():
            raise SetupError(f"{folder / name} is missing, though model_index.json names it")
        yield name, (str(value[0]), str(value[1]))


def _check_kind(folder: Path, component: str, kind: tuple[str, str], libraries: Collection[str]) -> None:
    library, cls = kind
    if library not in libraries or list((folder / component).glob("*.py")):
        raise SetupError(
            f"{folder}: component {component} is {library}.{cls}, code of the checkpoint's own: it is not run",
            advice="Use a checkpoint whose components are classes of diffusers and transformers.",
        )


def _files(folder: Path) -> list[Path]:
    """The files that loading will read: the shards that an index names, or the one file."""
    for index in sorted(folder.glob("*.safetensors.index.json")):
        try:
            table = json.loads(index.read_text("utf-8"))["weight_map"]
            names = sorted(set(table.values()))
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise SetupError(f"{index} cannot be read: {error!r}") from error
        return [folder / Path(name).name for name in names]
    return sorted(folder.glob("*.safetensors"))


def _expects_weights(folder: Path) -> bool:
    """A model has a configuration that says its class or architecture; schedulers and tokenizers have other files."""
    path = folder / "config.json"
    if not path.is_file() or (folder / "tokenizer_config.json").exists():
        return False
    return not any(folder.glob("preprocessor_config.json"))


def _shapes(file: Path, pull: str) -> Iterator[list[int]]:
    """The shape of every tensor of a whole file."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(LONGEST_HEADER, size):
                raise ValueError("its header is longer than the file")
            table = json.loads(stream.read(length))
        tensors = [value for key, value in table.items() if key != "__metadata__"]
        expected = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors), default=0)
    except FileNotFoundError:
        raise SetupError(f"{file} is missing", advice=pull) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise SetupError(f"{file} is no whole safetensors file: {error}", advice=pull) from error
    if size != expected:
        raise SetupError(f"{file} has {size:,} of {expected:,} bytes: it is truncated", advice=pull)
    for tensor in tensors:
        yield tensor["shape"]
