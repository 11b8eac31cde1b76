"""The whole product beside a bare call: from the POST to the finished MP4, through server, worker and studio, against the
same pipeline called and written by hand; and how long the device has no work between two clips that both wait."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import torch

from bench import bare
from bench.figures import in_turns
from bench.house import Served, serve, spent
from bench.models import PROMPT, Model
from bench.plugged import plugged
from rushes.core.shot import Shot

CARD = """\
id = "random"
name = "Random weights"
developer = "bench"
brief = "Noise."
description = "Noise."
page = "https://example.org"
[modalities]
input = ["text"]
output = ["video"]
[engine]
name = "random"
{options}
[[parameters]]
name = "prompt"
display_name = "Prompt"
description = "Prompt."
type = "string"
required = true
[[parameters]]
name = "aspect_ratio"
display_name = "Aspect ratio"
description = "Aspect ratio."
type = "enum"
options = ["16:9"]
"""
SOUND = """
[[parameters]]
name = "sound"
display_name = "Sound"
description = "Sound."
type = "boolean"
default = false
"""


class Took(msgspec.Struct, frozen=True):
    """Seconds by the clock, and of processor time in all processes that took part."""

    wall: float
    cpu: float


class Product(msgspec.Struct, frozen=True):
    """Pairs of a bare call with its export and of the whole product; and `gaps`, the seconds for which the device has no
    work between two clips that both wait."""

    pairs: list[tuple[Took, Took]]
    gaps: list[float]


def measure(
    name: str,
    model: Model,
    device: str,
    size: tuple[int, int],
    fps: int,
    steps: int,
    *,
    rounds: int,
    queue: int,
) -> Product:
    """Warms both sides with a clip, measures `rounds` pairs in turns, then submits `queue` clips at once for the gaps."""
    recipe = model.adjusted(size, fps, steps)
    shot = Shot(prompt=PROMPT, seconds=5, aspect_ratio="16:9", sound=recipe.sound, seed=1)
    with TemporaryDirectory(prefix="rushes-bench-") as name_of_folder:
        folder = Path(name_of_folder)
        stamps = folder / "stamps"
        options = {
            "model": name,
            "device": device,
            "stamps": str(stamps),
            "size": list(size),
            "fps": fps,
            "steps": steps,
        }
        with _served(folder, options, SOUND if recipe.sound else "") as house, _one_thread(device):
            pipe = model.make(device)

            def by_hand() -> Took:
                wall, cpu = time.monotonic(), time.process_time()
                bare.clip(pipe, recipe, shot, folder / "bare.mp4")
                return Took(time.monotonic() - wall, time.process_time() - cpu)

            def by_product() -> Took:
                wall, cpu = time.monotonic(), house.cpu_of_each()
                house.ended(_ask(house, shot))
                return Took(time.monotonic() - wall, spent(cpu, house.cpu_of_each()))

            in_turns(1, by_hand, by_product)
            pairs = [(hand, whole) for hand, whole in in_turns(rounds, by_hand, by_product)]
            for request in [_ask(house, shot) for _ in range(queue)]:
                house.ended(request)
        times = [tuple(map(float, line.split())) for line in stamps.read_text().splitlines()[-queue:]]
        gaps = [begin - end for (_, end), (begin, _) in pairwise(times)]
    return Product(pairs, gaps)


@contextmanager
def _one_thread(device: str) -> Iterator[None]:
    """On a CPU the model gets one thread on either side: two that wait for each other on a busy core measure the waiting."""
    before = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _served(folder: Path, options: dict[str, object], more: str) -> Iterator[Served]:
    (folder / "cards").mkdir()
    rows = "\n".join(f"{key} = {json.dumps(value)}" for key, value in options.items())
    (folder / "cards" / "random.toml").write_text(CARD.format(options=rows) + more)
    with (
        plugged(folder, "random", "bench.random_engine:RandomEngine"),
        serve(folder, workers=1, cards=folder / "cards") as house,
    ):
        yield house


def _ask(house: Served, shot: Shot) -> str:
    sound = {"sound": True} if shot.sound else {}
    return house.submit(shot.prompt, "random", aspect_ratio="16:9", seed=shot.seed, **sound)
