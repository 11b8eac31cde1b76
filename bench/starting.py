"""From the POST to the engine's first call, on an idle house whose engine is loaded."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.figures import Figure, middle, percentile
from bench.house import serve
from bench.stamp_engine import installed

CALLS = 30


def start() -> list[Figure]:
    waits = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with installed(folder) as cards, serve(folder, workers=1, cards=cards) as house:
            for number in range(CALLS + 3):
                prompt = f"shot-{number}"
                asked = time.time()
                request_id = house.submit(prompt, sound="off")
                while (record := house.record(request_id))["status"] not in ("success", "failed"):
                    time.sleep(0.02)
                if record["status"] != "success":
                    raise RuntimeError(f"the engine did not work: {record['error']}")
                if number >= 3:  # the first ones load the engine
                    waits.append((float((folder / "stamps" / prompt).read_text()) - asked) * 1000)
                time.sleep(0.05)
    return [
        Figure(
            what="POST to the engine's first call, p50",
            against="–",
            value=middle(waits),
            unit=" ms",
            at_most=20.0,
            told=f"idle house, loaded engine, {CALLS} calls; p90 {percentile(waits, 0.9):.0f} ms",
        )
    ]
