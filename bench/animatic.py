"""What a clip costs: 1080p24 of every place, drawn and encoded, beside the encoder alone on frames already drawn.

    python bench/animatic.py [--places …] [--frames 24]

The encoder alone is the limit: no renderer could be faster. Figures are per frame, and for a clip of 120 frames.
"""

from __future__ import annotations

import argparse
import io
import queue
import resource
import threading
import time
from collections.abc import Iterable

import av
import numpy as np

from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.animatic.film import film
from rushes.engines.animatic.tables import places
from rushes.engines.base import Picture, Plan


class Quiet:
    cancelled = False

    def check(self) -> None:
        return

    def progress(self, phase: Phase, fraction: float, note: str = "") -> None:
        return

    def preview(self, picture: Picture) -> None:
        return


def encode(frames: Iterable[Picture], plan: Plan) -> None:
    """H.264 veryfast into memory, in its own thread, as the house does it."""
    container = av.open(io.BytesIO(), "w", format="mp4")
    stream = container.add_stream("libx264", rate=plan.fps, options={"preset": "veryfast", "crf": "20"})
    stream.width, stream.height, stream.pix_fmt = plan.width, plan.height, "yuv420p"
    waiting: queue.Queue[Picture | None] = queue.Queue(4)

    def write() -> None:
        while (frame := waiting.get()) is not None:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="yuv420p")))

    thread = threading.Thread(target=write)
    thread.start()
    for frame in frames:
        waiting.put(frame)
    waiting.put(None)
    thread.join()
    container.mux(stream.encode(None))
    container.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", nargs="*", default=list(places()))
    parser.add_argument("--frames", type=int, default=24)
    options = parser.parse_args()
    engine = AnimaticEngine({})
    started = time.perf_counter()
    engine.load(Quiet())
    print(f"load {time.perf_counter() - started:.1f} s")
    print(
        f"{'place':12} {'setup':>6} {'draw':>6} {'cpu':>6} {'encode':>6} {'both':>6}  {'clip':>6} {'memory':>8}"
    )
    for place in options.places:
        shot = Shot(prompt=f"{place}, slow dolly in", cfg_scale=1.0)
        plan = engine.plan(shot, None)
        started = time.perf_counter()
        made = film(shot, plan, None, engine.rendered(plan), Quiet())
        made.frame(0)
        setup = time.perf_counter() - started
        numbers = [int(k) for k in np.linspace(0, 119, options.frames)]
        started, cpu = time.perf_counter(), time.process_time()
        drawn = [made.frame(k) for k in numbers]
        draw, cpu = time.perf_counter() - started, time.process_time() - cpu
        started = time.perf_counter()
        encode(drawn, plan)
        alone = time.perf_counter() - started
        started = time.perf_counter()
        encode((made.frame(k) for k in numbers), plan)
        both = time.perf_counter() - started
        n = options.frames
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        ms = [1000 * value / n for value in (draw, cpu, alone, both)]
        print(
            f"{place:12} {setup:5.1f}s {ms[0]:4.0f}ms {ms[1]:4.0f}ms {ms[2]:4.0f}ms {ms[3]:4.0f}ms  "
            f"{setup + both / n * 120:5.1f}s {memory:6.2f}GB",
            flush=True,
        )


if __name__ == "__main__":
    main()
