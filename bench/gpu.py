"""`python -m bench.gpu [model …]`: the diffusers engine against plain diffusers, on a GPU, without any weights.

How long a model takes does not depend on the values in it. So the architectures are built at full size with random
weights, straight on the device, and run at their real sizes and lengths: plain, as diffusers' own pages do it, and
through the engine with each lever alone and all together, in turns within one run. Not measured here are the caches,
which skip work by looking at values: with random ones they would skip anything or nothing. After the levers comes the
whole product: from the POST to the finished MP4 beside the bare call and its export, and how long the GPU has no work
between two clips that both wait.

What is measured is kept at once, one JSON file per model, and a run ends before its budget does; so several short runs
(`python -m bench.gpu wan2.1-1.3b --variants engine,compile`, …) make one table. `--table` shows what is kept, without a
GPU; `--write` puts it between the marks of docs/performance.md. Where no GPU can be had, the table there stays empty.
`--tiny` runs all of it on the CPU with a model of a few thousand parameters, to see that it runs; its figures are shown
and never written to the page.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

NEEDED = (
    "accelerate", "alembic", "av", "diffusers", "ftfy", "httpx2", "msgspec", "numpy", "obstore", "PIL", "platformdirs",
    "psutil", "pydantic", "rich", "safetensors", "sqlalchemy", "starlette", "structlog", "torch", "transformers", "typer",
    "uvicorn",
)  # fmt: skip
"""What must be there before anything of this project is read, to say all that is missing at once."""
if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
    sys.exit(
        f"python -m bench.gpu needs {', '.join(missing)}, not installed here (Python {platform.python_version()});"
        " bring them as wheels where nothing can be fetched"
    )

import msgspec  # noqa: E402
import torch  # noqa: E402

from bench import bare, product  # noqa: E402
from bench.figures import in_turns  # noqa: E402
from bench.models import MODELS, PROMPT, TINY, Model, settings_of, small, storages, twin  # noqa: E402
from rushes.core.errors import RushesError, SetupError  # noqa: E402
from rushes.core.shot import Shot  # noqa: E402
from rushes.engines.base import Unheard  # noqa: E402
from rushes.engines.diffusers import DiffusersEngine  # noqa: E402
from rushes.engines.diffusers.levers import transformers  # noqa: E402
from rushes.engines.diffusers.recipe import GIB, Levers, Recipe  # noqa: E402
from rushes.media.encode import write_video  # noqa: E402

SECTION = Path(__file__).with_name("gpu.md")
"""What `python -m bench` puts under its own table."""
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
KEPT = Path("out") / "gpu"
BEGIN, END = "<!-- gpu: begin -->", "<!-- gpu: end -->"
KERNEL, KERNEL_OF_CPU = "_native_cudnn", "native"
"""The attention that is tried beside the default. On a CPU the default is the only one that also goes between ranks."""
VARIANTS: dict[str, Levers] = {
    "engine": Levers(),
    "compile": Levers(compile=True),
    "attention": Levers(attention=KERNEL),
    "fp8": Levers(fp8=True),
    "torchao-int8": Levers(torchao="int8"),
    "torchao-fp8": Levers(torchao="fp8"),
    "tiling": Levers(tiling=True),
    "2-gpus": Levers(context_parallel=2),
    "all": Levers(compile=True, attention=KERNEL, tiling=True),
    "all-torchao": Levers(compile=True, attention=KERNEL, torchao="fp8", tiling=True),
    "all-2-gpus": Levers(compile=True, attention=KERNEL, tiling=True, context_parallel=2),
}
"""All together, but `fp8`: what it widens layer by layer breaks the compiled graph at every layer, and `torchao` excludes
it. Those of 2 GPUs need as many."""
PRODUCT = "product"
"""The name, beside those of the variants, that chooses the whole product."""
COMPILING = 90.0
"""Seconds that compiling the blocks is expected to take at most."""
RANK_BYTES = 0.5e9
"""A second, in which the weights of a rank go to the disk and come back."""
HEADS = ("model", "variant", "s a step", "end to end, s", "peak GiB", "host ms a step", "over plain")
PRODUCT_HEADS = (
    "model",
    "bare call and export, s",
    "POST to MP4, s",
    "over bare",
    "more, s",
    "no work between clips, s",
)


class Run(msgspec.Struct, frozen=True):
    """One clip: seconds a step on the device, seconds from the call to the MP4, and bytes at the peak without what the
    other side of the pair holds alone."""

    step: float
    whole: float
    peak: int


class Measured(msgspec.Struct, frozen=True):
    """A variant: pairs of plain and ours, and pairs of milliseconds that the host needs for a step; or why it could not
    be had."""

    levers: Levers
    pairs: list[tuple[Run, Run]] = []
    host: list[tuple[float, float]] = []
    refused: str = ""


class Circumstances(msgspec.Struct, frozen=True):
    """What must be the same for figures to stand in one table."""

    device: str
    torch: str
    diffusers: str
    python: str
    size: tuple[int, int]
    frames: int
    steps: int

    @classmethod
    def here(cls, device: str, recipe: Recipe) -> Circumstances:
        name = "CPU" if device == "cpu" else torch.cuda.get_device_name(device)
        return cls(
            name,
            str(torch.__version__),
            version("diffusers"),
            platform.python_version(),
            recipe.clip.sizes["16:9"],
            recipe.clip.fps * recipe.clip.native_seconds,
            recipe.steps,
        )


class Kept(msgspec.Struct, kw_only=True):
    """All that is known of one model in one kind of circumstances."""

    model: str
    at: Circumstances
    date: str
    variants: dict[str, Measured] = {}
    product: product.Product | None = None

    @classmethod
    def read(cls, path: Path) -> Kept:
        return msgspec.json.decode(path.read_bytes(), type=cls)

    def save(self, folder: Path) -> None:
        """Whole or not at all: a run may be cut off at any moment."""
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{self.model}.json"
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(self)))
        draft.replace(folder / f"{self.model}.json")


def begin(folder: Path, model: str, at: Circumstances) -> Kept:
    """What is kept of `model`, to be added to; begun anew when it was measured in other circumstances."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    path = folder / f"{model}.json"
    if path.exists():
        kept = Kept.read(path)
        if kept.at == at:
            kept.date = today
            return kept
        print(f"{path} is of other circumstances ({kept.at}): begun anew", flush=True)
    return Kept(model=model, at=at, date=today)


class Meter:
    """Seconds between the begin of a pipeline's first denoising forward and the end of its last, on the device itself."""

    def __init__(self, pipe: Any, device: str) -> None:
        self._device = device
        self._marks: list[Any] = []
        for model in transformers(pipe):
            model.register_forward_pre_hook(self._begin)
            model.register_forward_hook(self._end)

    def reset(self) -> None:
        self._marks = []

    def seconds(self) -> float:
        """Only after the device has done all its work."""
        first, last = self._marks
        return float(last - first if self._device == "cpu" else first.elapsed_time(last) / 1000)

    def _mark(self) -> Any:
        if self._device == "cpu":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _begin(self, *_: Any) -> None:
        if not self._marks:
            self._marks = [self._mark(), None]

    def _end(self, *_: Any) -> None:
        self._marks[1] = self._mark()


class Pair:
    """Plain diffusers and the engine with some levers over the same weights, ready to take turns."""

    def __init__(self, model: Model, pipe: Any, recipe: Recipe, device: str, folder: Path) -> None:
        self._plain, self._own = pipe, twin(pipe)
        self._device, self._folder = device, folder
        self._meters = {id(side): Meter(side, device) for side in (self._plain, self._own)}
        ranks = recipe.levers.context_parallel
        places = _places(device, ranks)
        self.engine = DiffusersEngine({"recipe": model.recipe, "models": str(folder), "device": places})
        self.engine.recipe = recipe
        if ranks > 1:
            save_transformers(self._own, folder / recipe.name)
        self.engine.adopt(self._own)
        self.shot = Shot(prompt=PROMPT, seconds=5, aspect_ratio="16:9", sound=recipe.sound, seed=1)

    def plain(self) -> Run:
        _attend(self._plain, "native")
        return self._measure(
            self._plain,
            self._own,
            lambda path: bare.clip(self._plain, self.engine.recipe, self.shot, path),
        )

    def ours(self) -> Run:
        _attend(self._own, self.engine.recipe.levers.attention or "native")
        return self._measure(self._own, self._plain, self._render)

    @contextmanager
    def smallest(self) -> Iterator[None]:
        """Within it clips are so small that the device waits for the host at every step."""
        own, self.engine.recipe = self.engine.recipe, small(self.engine.recipe)
        try:
            yield
        finally:
            self.engine.recipe = own

    def close(self) -> None:
        self.engine.unload()

    def _render(self, path: Path) -> None:
        plan = self.engine.plan(self.shot, None)
        made = self.engine.render(self.shot, plan, None, Unheard(), path.parent)
        size: Mapping[str, int] = {
            "width": plan.width,
            "height": plan.height,
            "fps": plan.fps,
            "count": plan.frames,
        }
        write_video(made.frames, path, audio=made.audio, **size)

    def _measure(self, side: Any, other: Any, clip: Callable[[Path], None]) -> Run:
        meter = self._meters[id(side)]
        meter.reset()
        _wait(self._device)
        if self._device != "cpu":
            torch.cuda.reset_peak_memory_stats(self._device)
        started = time.perf_counter()
        clip(self._folder / "clip.mp4")
        _wait(self._device)
        whole = time.perf_counter() - started
        peak = 0
        if self._device != "cpu":
            mine, others = storages(side), storages(other)
            alone = sum(size for place, size in others.items() if place not in mine)
            peak = torch.cuda.max_memory_allocated(self._device) - alone
        return Run(meter.seconds() / self.engine.recipe.steps, whole, peak)


def measure(model: Model, pipe: Any, recipe: Recipe, device: str, levers: Levers, rounds: int) -> Measured:
    """One variant beside plain diffusers, or why it cannot be had here."""
    recipe = msgspec.structs.replace(recipe, levers=levers)
    try:
        with TemporaryDirectory(prefix="rushes-bench-") as folder:
            pair = Pair(model, pipe, recipe, device, Path(folder))
            with closing(pair):
                in_turns(1, pair.plain, pair.ours)  # compiles, and warms what is warm in a service
                pairs = [(plain, ours) for plain, ours in in_turns(rounds, pair.plain, pair.ours)]
                with pair.smallest():
                    in_turns(1, pair.plain, pair.ours)
                    host = [
                        (1000 * plain.step, 1000 * ours.step)
                        for plain, ours in in_turns(rounds, pair.plain, pair.ours)
                    ]
    except (RushesError, RuntimeError, ImportError) as error:  # torch's own out of memory among them
        return Measured(levers, refused=f"{type(error).__name__}: {error}".splitlines()[0][:200])
    finally:
        _drop_hooks(pipe)
        _attend(pipe, "native")
        gc.collect()
        torch.compiler.reset()
        if device != "cpu":
            torch.cuda.empty_cache()
    return Measured(levers, pairs, host)


def _places(device: str, ranks: int) -> str:
    """The devices of so many ranks, `device` first. Raises `SetupError` where there are not so many."""
    if device == "cpu" or ranks == 1:
        return device
    there = torch.cuda.device_count()
    if there < ranks:
        raise SetupError(f"lever context_parallel = {ranks} wants {ranks} GPUs, and here is {there}")
    return ",".join(f"cuda:{number}" for number in range(ranks))


def save_transformers(pipe: Any, folder: Path) -> None:
    """As a checkpoint of nothing else, which is all that a rank reads. Raises `SetupError` for too small a disk."""
    needed = sum(storages(pipe, transformers(pipe)).values())
    free = shutil.disk_usage(folder.parent).free
    if free < needed + GIB:
        raise SetupError(
            f"ranks read their weights from {folder.parent}, which has {free / GIB:.0f} of the {needed / GIB:.0f} GiB"
            " that they take"
        )
    heads = {id(model) for model in transformers(pipe)}
    parts = {
        name: part if id(part) in heads or name == "scheduler" else None
        for name, part in pipe.components.items()
    }
    type(pipe)(**settings_of(pipe), **parts).save_pretrained(folder)


def _drop_hooks(pipe: Any) -> None:
    """The meters of a pair that is over stay behind on the side that is used again."""
    for model in transformers(pipe):
        model._forward_pre_hooks.clear()
        model._forward_hooks.clear()


def _attend(pipe: Any, backend: str) -> None:
    """The choice holds for the whole process, so each side makes it anew."""
    for model in transformers(pipe):
        model.set_attention_backend(backend)


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


class Budget:
    """Seconds for the whole run; a part is begun only when it is expected to end within them."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def allows(self, seconds: float) -> bool:
        return time.monotonic() + seconds < self._ends


def run(
    name: str,
    model: Model,
    device: str,
    wanted: list[str],
    *,
    recipe: Recipe,
    rounds: int,
    budget: Budget,
    folder: Path,
) -> list[str]:
    """Measure what is wanted of one model, keep each part at once, and return what the budget did not allow."""
    kept = begin(folder, name, Circumstances.here(device, recipe))
    started = time.monotonic()
    pipe = model.make(device)
    building = time.monotonic() - started
    left: list[str] = []
    clip = 0.0
    for variant in (word for word in wanted if word != PRODUCT):
        levers = VARIANTS[variant]
        if levers.attention and device == "cpu":
            levers = msgspec.structs.replace(levers, attention=KERNEL_OF_CPU)
        if not budget.allows(2 * (rounds + 1) * clip + _preparing(levers, pipe, device)):
            left.append(variant)
            continue
        kept.variants[variant] = measured = measure(model, pipe, recipe, device, levers, rounds)
        kept.save(folder)
        print(name, variant, measured.refused or f"{len(measured.pairs)} pairs", flush=True)
        clip = max([clip, *(max(plain.whole, ours.whole) for plain, ours in measured.pairs)])
    held = sum(storages(pipe).values())
    del pipe  # both sides of the product build their own
    gc.collect()
    if PRODUCT in wanted:
        queue = rounds + 1
        if not budget.allows(2 * building + (2 * (rounds + 1) + queue) * clip + 20):
            left.append(PRODUCT)
        elif device != "cpu" and (free := _free(device)) < 2.4 * held:
            print(f"{name}: the product needs the weights twice, {2.4 * held / GIB:.0f} GiB with room to work;"
                  f" {free / GIB:.0f} GiB are free", flush=True)  # fmt: skip
        else:
            size, fps = recipe.clip.sizes["16:9"], recipe.clip.fps
            kept.product = product.measure(
                name, model, device, size, fps, recipe.steps, rounds=rounds, queue=queue
            )
            kept.save(folder)
            print(name, PRODUCT, f"{len(kept.product.pairs)} pairs", flush=True)
    return left


def _preparing(levers: Levers, pipe: Any, device: str) -> float:
    """Seconds that a lever is expected to take before its first clip."""
    if device == "cpu":
        return 0.0
    ranks = levers.context_parallel > 1
    weights = sum(storages(pipe, transformers(pipe)).values())
    return COMPILING * levers.compile + ranks * weights / RANK_BYTES


def _free(device: str) -> int:
    torch.cuda.empty_cache()
    return int(torch.cuda.mem_get_info(device)[0])


def table(all_kept: list[Kept]) -> str:
    """One table of the levers and one of the product for each kind of circumstances."""
    parts: list[str] = []
    for at, of_one in _by_circumstances(all_kept):
        days = sorted({kept.date for kept in of_one})
        parts.append(
            f"{at}, {' to '.join(dict.fromkeys((days[0], days[-1])))}. Random weights; medians; *over plain* and *over"
            " bare* are medians of the ratios of pairs; *host* is the time of a step of the smallest clip, at which the"
            " device waits for the host."
        )
        rows = [row for kept in of_one for row in _rows(kept)]
        if rows:
            parts.append(_markdown(HEADS, rows))
        whole = [_product_row(kept) for kept in of_one if kept.product is not None]
        if whole:
            parts.append(_markdown(PRODUCT_HEADS, whole))
        parts += [
            f"{kept.model}, {variant}: could not be had ({one.refused})."
            for kept in of_one
            for variant, one in kept.variants.items()
            if one.refused
        ]
    return "\n\n".join(parts)


def _by_circumstances(all_kept: list[Kept]) -> list[tuple[str, list[Kept]]]:
    """By device and versions; sizes and steps stand with the models."""
    groups: dict[str, list[Kept]] = {}
    for kept in all_kept:
        at = kept.at
        key = f"{at.device}, torch {at.torch}, diffusers {at.diffusers}, Python {at.python}"
        groups.setdefault(key, []).append(kept)
    return list(groups.items())


def _rows(kept: Kept) -> Iterator[tuple[str, ...]]:
    at = kept.at
    model = f"{kept.model}, {at.size[0]}×{at.size[1]}, {at.frames} frames, {at.steps} steps"
    measured = {name: one for name, one in kept.variants.items() if one.pairs}
    plain = [pair[0] for one in measured.values() for pair in one.pairs]
    if plain:
        host = [pair[0] for one in measured.values() for pair in one.host]
        yield model, "plain diffusers", *_figures(plain, host), ""
    for name, one in measured.items():
        over = median(ours.whole / bare.whole for bare, ours in one.pairs)
        ours = [pair[1] for pair in one.pairs]
        yield model, name, *_figures(ours, [pair[1] for pair in one.host]), f"{over:.3f}"


def _figures(runs: list[Run], host: list[float]) -> tuple[str, ...]:
    step, whole, peak = (median(getattr(run, name) for run in runs) for name in Run.__struct_fields__)
    return f"{step:.3f}", f"{whole:.2f}", f"{peak / GIB:.1f}" if peak else "–", f"{median(host):.1f}"


def _product_row(kept: Kept) -> tuple[str, ...]:
    assert kept.product is not None
    pairs, gaps = kept.product.pairs, kept.product.gaps
    return (
        kept.model,
        f"{median(hand.wall for hand, _ in pairs):.2f}",
        f"{median(whole.wall for _, whole in pairs):.2f}",
        f"{median(whole.wall / hand.wall for hand, whole in pairs):.3f}",
        f"{median(whole.wall - hand.wall for hand, whole in pairs):+.2f}",
        f"{median(gaps):.2f}",
    )


def _markdown(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (heads, ("---",) * len(heads), *rows))


def write(text: str, page: Path) -> None:
    """Put the table between the page's marks. Raises `ValueError` for a page without them."""
    before, rest = page.read_text("utf-8").split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def read_kept(folder: Path) -> list[Kept]:
    return [Kept.read(path) for path in sorted(folder.glob("[!.]*.json"))]


def main(words: list[str] | None = None) -> str:
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "models", nargs="*", metavar="model", help=f"of {', '.join(MODELS)}; all when none is named"
    )
    parser.add_argument(
        "--variants", default=",".join([*VARIANTS, PRODUCT]), help="separated by commas (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=2, help="pairs of each variant (%(default)s)")
    parser.add_argument("--steps", type=int, default=4, help="of each clip (%(default)s)")
    parser.add_argument("--size", type=_size, help="such as 832x480, instead of the recipe's own")
    parser.add_argument("--budget", type=float, default=540, help="seconds for the whole run (%(default)s)")
    parser.add_argument("--results", type=Path, default=KEPT, help="where figures are kept (%(default)s)")
    parser.add_argument("--table", action="store_true", help="measure nothing, show what is kept")
    parser.add_argument("--tiny", action="store_true", help="on the CPU, to see that it runs")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    chosen = parser.parse_args(words)
    offered, wanted = TINY if chosen.tiny else MODELS, chosen.variants.split(",")
    if unknown := {*chosen.models} - {*offered} | {*wanted} - {*VARIANTS, PRODUCT}:
        parser.error(
            f"not known: {', '.join(sorted(unknown))}; models: {', '.join(offered)}; variants: {', '.join(VARIANTS)},"
            f" {PRODUCT}"
        )
    if not chosen.table:
        if not chosen.tiny and not torch.cuda.is_available():
            parser.error("there is no GPU here: nothing is measured, and the table stays as it is")
        _run_all(chosen, offered, wanted)
    kept = read_kept(chosen.results)
    text = table(kept)
    print(text, flush=True)
    if chosen.write:
        if not kept or any(one.at.device == "CPU" for one in kept):
            parser.error(
                f"{chosen.results} holds nothing that was measured on a GPU alone: nothing is written"
            )
        for page in (SECTION, PAGE):
            write(text, page)
    return text


def _run_all(chosen: argparse.Namespace, offered: dict[str, Model], wanted: list[str]) -> None:
    budget = Budget(chosen.budget)
    for name in chosen.models or offered:
        model = offered[name]
        left = run(
            name,
            model,
            "cpu" if chosen.tiny else "cuda:0",
            wanted,
            recipe=model.adjusted(chosen.size, steps=chosen.steps),
            rounds=chosen.rounds,
            budget=budget,
            folder=chosen.results,
        )
        if left:
            print(f"no time left for: python -m bench.gpu {name} --variants {','.join(left)}", flush=True)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


if __name__ == "__main__":
    main()
