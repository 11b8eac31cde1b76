"""Where a model's components live while it works: planned from what they take and from what is free.

The ladder goes from fast to small. *Resident*: everything stays on the device. *Tiling*: the VAE decodes in tiles.
*fp8*: the transformer is stored in 8 bits and widened layer by layer. *Swap*: one component at a time is on the device,
the rest waits in the machine's memory. *Stream*: even the transformer's blocks come one after the other, while the one
before computes. The first rung that fits is taken; when memory runs out all the same, the next one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rushes.engines.diffusers.recipe import GIB, Recipe

HEADROOM = 1.0 * GIB
"""For the driver's context and what fragments."""
STREAMED = 0.12
"""Share of a transformer that is on the device while its blocks stream."""


@dataclass(frozen=True)
class Placement:
    """One rung; `str` is the word for it that is printed and reported."""

    offload: str = "none"
    fp8: bool = False
    tiling: bool = False

    def __str__(self) -> str:
        words = [{"none": "resident", "swap": "swap", "stream": "stream"}[self.offload]]
        return " + ".join([*words, *["fp8"] * self.fp8, *["tiling"] * self.tiling])


LADDER: tuple[Placement, ...] = (
    Placement(),
    Placement(tiling=True),
    Placement(fp8=True, tiling=True),
    Placement("swap", tiling=True),
    Placement("swap", fp8=True, tiling=True),
    Placement("stream", tiling=True),
)


@dataclass(frozen=True)
class Needs:
    """Bytes: of each component as it is loaded, and of running on top of it."""

    components: Mapping[str, int]
    denoise: int
    decode: int
    decode_tiled: int

    @classmethod
    def of(cls, recipe: Recipe, components: Mapping[str, int], pixels: int | None = None) -> Needs:
        """`pixels` are width × height × frames of the largest part; None for the native length at the 16:9 size."""
        clip, memory = recipe.clip, recipe.memory
        width, height = clip.sizes["16:9"]
        if recipe.levers.torchao:
            components = {
                name: size // 2 if name.startswith("transformer") else size
                for name, size in components.items()
            }
        scale = 1.0 if pixels is None else pixels / (width * height * clip.native_seconds * clip.fps)
        return cls(
            components,
            int(memory.denoise * GIB * scale / recipe.levers.context_parallel),
            int(memory.decode * GIB * scale),
            int(memory.decode_tiled * GIB * max(scale, 0.25)),
        )

    def on_device(self, placement: Placement) -> int:
        """The peak on the device, by arithmetic."""
        sizes = {name: self._stored(name, size, placement) for name, size in self.components.items()}
        decode = self.decode_tiled if placement.tiling else self.decode
        if placement.offload == "none":
            return sum(sizes.values()) + max(self.denoise, decode)
        stages = {
            "transformer": self.denoise,
            "text_encoder": 0,
            "image_encoder": 0,
        }
        share = STREAMED if placement.offload == "stream" else 1.0
        peaks = []
        for name, size in sizes.items():
            kind = name.split(".")[0].rstrip("_0123456789")
            held = size * share if kind in ("transformer", "text_encoder") else size
            peaks.append(held + stages.get(kind, decode))
        return int(max(peaks, default=0))

    def on_host(self, placement: Placement) -> int:
        """The machine's memory beside it."""
        if placement.offload == "none":
            return 0
        return sum(self._stored(name, size, placement) for name, size in self.components.items())

    def _stored(self, name: str, size: int, placement: Placement) -> int:
        return size // 2 if placement.fp8 and name.startswith("transformer") else size


def rungs(recipe: Recipe, device: str) -> tuple[Placement, ...]:
    """The placements that make sense: on a CPU there is nowhere to swap to."""
    levers = recipe.levers  # what the recipe asks for holds from the first rung on
    ladder = LADDER[:2] if device == "cpu" else LADDER
    if (
        levers.context_parallel > 1 or levers.torchao
    ):  # ranks may not wait for weights, and torchao's do not travel
        ladder = tuple(rung for rung in ladder if rung.offload == "none")
    if levers.torchao:
        ladder = tuple(rung for rung in ladder if not rung.fp8)
    asked = (
        replace(rung, fp8=rung.fp8 or levers.fp8, tiling=rung.tiling or levers.tiling) for rung in ladder
    )
    return tuple(dict.fromkeys(asked))


def choose(needs: Needs, ladder: Sequence[Placement], free: int, host: float = math.inf) -> Placement | None:
    """The fastest rung that fits into `free` bytes of the device and `host` bytes of the machine; None when none does."""
    return next(
        (rung for rung in ladder if needs.on_device(rung) + HEADROOM <= free and needs.on_host(rung) <= host),
        None,
    )


def smaller(ladder: Sequence[Placement], than: Placement) -> Placement | None:
    """The next rung down."""
    place = ladder.index(than) + 1
    return ladder[place] if place < len(ladder) else None


def table(needs: Needs, ladder: Sequence[Placement]) -> list[tuple[str, float]]:
    """Each rung with the GiB that it takes on the device."""
    return [(str(rung), (needs.on_device(rung) + HEADROOM) / GIB) for rung in ladder]
