"""`python -m bench.gpu`: the diffusers engine against plain diffusers, on a GPU, without any weights.

How long a model takes does not depend on the values in it. So the architectures are built at full size with random
weights, straight on the device, and run at their real sizes and lengths: plain, as diffusers' own pages do it, and
through the engine with each lever alone and all together, in turns within one run. Not measured here are the caches,
which skip work by looking at values: with random ones they would skip anything or nothing.

The table is written between the marks of docs/performance.md; where no GPU can be had, the table there stays empty.
`--tiny` runs the same code on the CPU with models of a few thousand parameters, to see that it runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import torch

from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.base import Picture
from rushes.engines.diffusers import DiffusersEngine, sizes
from rushes.engines.diffusers.levers import transformers
from rushes.engines.diffusers.recipe import Levers, Recipe
from rushes.media.encode import write_video

SECTION = Path(__file__).with_name("gpu.md")
"""What `python -m bench` puts under its own table."""
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- gpu: begin -->", "<!-- gpu: end -->"
HEADS = (
    "model",
    "variant",
    "s a step",
    "end to end, s",
    "peak GiB",
    "host ms a step",
    "idle between jobs, s",
    "over plain",
)
PROMPT = "a lighthouse on a cliff, waves breaking"


@dataclass(frozen=True)
class Shape:
    """A Wan transformer and its VAE; `vae` are arguments of the autoencoder's class."""

    recipe: str
    heads: int
    width: int
    ffn: int
    layers: int
    channels: int = 16
    experts: int = 1
    text_width: int = 4096
    text_layers: int = 24
    vae: dict[str, Any] = field(default_factory=dict)
    expand: bool = False


LARGE_VAE = {
    "base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "is_residual": True, "in_channels": 12, "out_channels": 12,
    "patch_size": 2, "scale_factor_spatial": 16, "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48,
}  # fmt: skip
SMALL_VAE = {"base_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}
MODELS = {
    "wan2.1-1.3b": Shape("wan2.1-1.3b", 12, 128, 8960, 30),
    "wan2.2-ti2v-5b": Shape("wan2.2-ti2v-5b", 24, 128, 14336, 30, channels=48, vae=LARGE_VAE, expand=True),
    "wan2.2-t2v-a14b": Shape("wan2.2-t2v-a14b", 40, 128, 13824, 40, experts=2),
}
TINY = {"tiny": Shape("wan2.1-1.3b", 2, 12, 32, 2, text_width=32, text_layers=2, vae=SMALL_VAE)}
VARIANTS: dict[str, Levers] = {
    "engine": Levers(),
    "compile": Levers(compile=True),
    "attention": Levers(attention="_native_cudnn"),
    "fp8": Levers(fp8=True),
    "tiling": Levers(tiling=True),
    "all": Levers(compile=True, attention="_native_cudnn", tiling=True),
}


@dataclass
class Run:
    """One clip: seconds per step, from the call to the MP4, between two jobs; host milliseconds; bytes at the peak."""

    step: float
    whole: float
    host: float
    idle: float
    peak: int


def build(shape: Shape, device: str, encoder: Any = None) -> Any:
    """The pipeline of `shape` with random weights, made where it will run; `encoder` may be another's."""
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
    from transformers import UMT5Config, UMT5EncoderModel

    kind = torch.bfloat16 if device != "cpu" else torch.float32
    torch.manual_seed(0)
    text = {
        "d_model": shape.text_width,
        "d_kv": 64,
        "d_ff": shape.text_width * 5 // 2,
        "num_layers": shape.text_layers,
    }
    with torch.device(device):
        vae = AutoencoderKLWan(**shape.vae).eval()  # type: ignore[arg-type,unused-ignore]
        encoder = UMT5EncoderModel(
            UMT5Config(
                vocab_size=256_384 if shape.layers > 2 else 300,
                num_heads=max(1, shape.text_width // 64),
                **text,
            )
        )
        experts = [
            WanTransformer3DModel(
                num_attention_heads=shape.heads,
                attention_head_dim=shape.width,
                in_channels=shape.channels,
                out_channels=shape.channels,
                text_dim=shape.text_width,
                ffn_dim=shape.ffn,
                num_layers=shape.layers,
            ).to(kind)
            for _ in range(shape.experts)
        ]
    return WanPipeline(
        tokenizer=byte_tokenizer(),
        text_encoder=encoder.eval(),
        vae=vae,
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0
        ),
        transformer=experts[0].eval(),
        transformer_2=experts[1].eval() if shape.experts == 2 else None,
        boundary_ratio=0.875 if shape.experts == 2 else None,
        expand_timesteps=shape.expand,
    )


def byte_tokenizer() -> Any:
    """Bytes for tokens: how long the encoder takes depends on their number alone."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {"<pad>": 0, "</s>": 1, "<unk>": 2, **{symbol: n for n, symbol in enumerate(alphabet, 3)}}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


class Meter:
    """Watches one transformer: when its first and last forwards began, how long the host was busy with each."""

    def __init__(self, pipe: Any, device: str) -> None:
        self._device = device
        self.host: list[float] = []
        self.first = self.last = 0.0
        self._before = 0.0
        for name in ("transformer", "transformer_2"):
            if getattr(pipe, name, None) is not None:
                model = getattr(pipe, name)
                model.register_forward_pre_hook(self._begin)
                model.register_forward_hook(self._end)

    def reset(self) -> None:
        self.host, self.first, self.last = [], 0.0, 0.0

    def _begin(self, *_: Any) -> None:
        self._before = time.perf_counter()
        self.first = self.first or self._before

    def _end(self, *_: Any) -> None:
        self.last = time.perf_counter()
        self.host.append(self.last - self._before)


class Silent:
    """A `Control` that nobody listens to."""

    cancelled = False

    def check(self) -> None:
        """Never cancelled."""

    def progress(self, phase: Phase, fraction: float, note: str = "") -> None:
        """Nobody listens."""

    def preview(self, picture: Picture) -> None:
        """Nobody looks."""


def plain(pipe: Any, engine: DiffusersEngine, meter: Meter, steps: int, shot: Shot, device: str) -> Run:
    """As the pages of diffusers do it: one call, then its own writer."""
    from diffusers.utils import encode_video

    made = sizes.schedule(engine.recipe, engine.plan(shot, None))
    _attend(pipe, "native")  # the choice holds for the whole process

    def clip(path: Path) -> None:
        output = pipe(
            prompt=shot.prompt,
            negative_prompt=engine.recipe.negative_prompt,
            width=made.width,
            height=made.height,
            num_frames=made.parts[0].frames,
            num_inference_steps=steps,
            guidance_scale=engine.recipe.guidance.scale,
            generator=torch.Generator().manual_seed(shot.seed),
            output_type="np",
        )
        encode_video(
            torch.from_numpy((output.frames[0] * 255).round().astype("uint8")),
            fps=engine.recipe.clip.fps,
            output_path=str(path),
        )

    return _measure(clip, meter, steps, device)


def ours(engine: DiffusersEngine, meter: Meter, shot: Shot, device: str) -> Run:
    """Through the engine and the house's encoder."""
    plan, pipe = engine.plan(shot, None), engine.pipelines[0]
    _attend(pipe, engine.recipe.levers.attention or "native")

    def clip(path: Path) -> None:
        made = engine.render(shot, plan, None, Silent(), path.parent)
        write_video(made.frames, path, width=plan.width, height=plan.height, fps=plan.fps, count=plan.frames)

    return _measure(clip, meter, engine.recipe.steps, device)


def _attend(pipe: Any, backend: str) -> None:
    for model in transformers(pipe):
        model.set_attention_backend(backend)


def _measure(clip: Callable[[Path], None], meter: Meter, steps: int, device: str) -> Run:
    """Two clips in a row: figures of the second, and how long the device waited between them."""
    with TemporaryDirectory(prefix="rushes-bench-") as folder:
        clip(Path(folder) / "warm.mp4")
        _wait(device)
        if device != "cpu":
            torch.cuda.reset_peak_memory_stats(device)
        meter.reset()
        started = time.perf_counter()
        clip(Path(folder) / "clip.mp4")
        _wait(device)
        whole = time.perf_counter() - started
    peak = torch.cuda.max_memory_allocated(device) if device != "cpu" else 0
    denoising = meter.last - meter.first
    return Run(denoising / steps, whole, 1000 * sum(meter.host) / steps, whole - denoising, peak)


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def compare(
    name: str, shape: Shape, device: str, variants: list[str], rounds: int, steps: int, shot: Shot, tiny: bool
) -> Iterator[tuple[str, ...]]:
    """Rows of the table: plain and one variant after the other, each pair measured in turns."""
    bare = build(shape, device)
    bare.set_progress_bar_config(disable=True)
    for variant in variants:
        pipe = build(shape, device, bare.text_encoder)
        meters = Meter(bare, device), Meter(pipe, device)
        with TemporaryDirectory(prefix="rushes-bench-") as models:
            engine = DiffusersEngine({"recipe": shape.recipe, "models": models, "device": device})
            engine.recipe = msgspec.structs.replace(
                small(engine.recipe) if tiny else engine.recipe, steps=steps, levers=VARIANTS[variant]
            )
            engine.adopt(pipe)
            pairs = [
                (plain(bare, engine, meters[0], steps, shot, device), ours(engine, meters[1], shot, device))
                for _ in range(rounds)
            ]
            engine.unload()
        if variant == variants[0]:
            yield _row(name, "plain diffusers", [pair[0] for pair in pairs], None)
        yield _row(name, variant, [pair[1] for pair in pairs], median(b.whole / a.whole for a, b in pairs))
        del pipe, engine
        if device != "cpu":
            torch.cuda.empty_cache()


def small(recipe: Recipe) -> Recipe:
    """The recipe for a tiny model and clip."""
    clip = msgspec.structs.replace(recipe.clip, sizes={"16:9": (96, 64)}, fps=4, multiple=32)
    memory = msgspec.structs.replace(recipe.memory, components={}, denoise=0.1, decode=0.1, decode_tiled=0.1)
    return msgspec.structs.replace(recipe, clip=clip, memory=memory)


def _row(model: str, variant: str, runs: list[Run], over: float | None) -> tuple[str, ...]:
    figures = [
        median(getattr(run, name) for run in runs) for name in ("step", "whole", "peak", "host", "idle")
    ]
    step, whole, peak, host, idle = figures
    return (
        model, variant, f"{step:.3f}", f"{whole:.2f}", f"{peak / 2**30:.1f}", f"{host:.1f}", f"{idle:.2f}",
        "" if over is None else f"{over:.3f}",
    )  # fmt: skip


def table(rows: list[tuple[str, ...]], device: str) -> str:
    import diffusers

    what = torch.cuda.get_device_name(device) if device != "cpu" else "CPU"
    head = (
        f"{what}, torch {torch.__version__}, diffusers {diffusers.__version__}, {datetime.now(UTC):%Y-%m-%d}."
        " Random weights; medians; *over plain* is the median of the ratios of pairs."
    )
    lines = [HEADS, ("---",) * len(HEADS), *rows]
    return head + "\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(text: str, page: Path) -> None:
    """Put the table between the page's marks. Raises `ValueError` for a page without them."""
    before, rest = page.read_text("utf-8").split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def main(words: list[str] | None = None) -> str:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument(
        "models", nargs="*", metavar="model", help=f"of {', '.join(MODELS)}; all when none is named"
    )
    parser.add_argument("--variants", default=",".join(VARIANTS), help="of the engine, separated by commas")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6, help="of each clip: enough for the time of one")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="on the CPU, to see that it runs; writes nothing")
    parser.add_argument("--write", action="store_true", help=f"keep the table in {PAGE.name}")
    chosen = parser.parse_args(words)
    if not chosen.tiny and not torch.cuda.is_available():
        parser.error("there is no GPU here: nothing is measured, and the table stays as it is")
    device = "cpu" if chosen.tiny else "cuda:0"
    models = TINY if chosen.tiny else {name: MODELS[name] for name in chosen.models or MODELS}
    shot = Shot(prompt=PROMPT, seconds=chosen.seconds, aspect_ratio="16:9", seed=1)
    rows: list[tuple[str, ...]] = []
    for name, shape in models.items():
        for row in compare(
            name, shape, device, chosen.variants.split(","), chosen.rounds, chosen.steps, shot, chosen.tiny
        ):
            print(*row, sep="  ", flush=True)
            rows.append(row)
    text = table(rows, device)
    if chosen.write and not chosen.tiny:
        for page in (SECTION, PAGE):
            write(text, page)
    return text


if __name__ == "__main__":
    main()
