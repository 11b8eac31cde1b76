"""Contact sheets of the animatic engine, to be looked at: `python tools/sheets.py [--only NAME …] [--out FOLDER]`.

Sheets: `places` (every place × time), `weather` (every place × weather), `aspects`, `moves` (a film strip per camera
move), `prompts` (the prompts of a text file), `motion` (a strip of neighbouring frames).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from rushes.core.request import Phase
from rushes.core.shot import AspectRatio, Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.animatic.film import film
from rushes.engines.animatic.tables import places as every_place
from rushes.engines.animatic.tables import table
from rushes.engines.base import Picture

Image = npt.NDArray[np.uint8]


class Quiet:
    """A control that nobody listens to."""

    cancelled = False

    def check(self) -> None:
        return

    def progress(self, phase: Phase, fraction: float, note: str = "") -> None:
        return

    def preview(self, picture: Picture) -> None:
        return


def picture(prompt: str, height: int, *, at: Iterable[float] = (0.5,), aspect: AspectRatio = "16:9", seed: int = 1,
            cfg: float = 1.0, negative: str = "") -> list[Image]:  # fmt: skip
    """BGR frames of a prompt at the shares `at` (0…1) of its clip."""
    engine = AnimaticEngine({"height": height})
    shot = Shot(prompt=prompt, negative_prompt=negative, aspect_ratio=aspect, seed=seed, cfg_scale=cfg)
    plan = engine.plan(shot, None)
    made = film(shot, plan, None, engine.rendered(plan), Quiet())
    frames = [made.frame(min(int(u * plan.frames), plan.frames - 1)) for u in at]
    return [cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420) for frame in frames]


def grid(rows: Iterable[tuple[str, list[Image]]]) -> Image:
    """Rows of pictures, each with its label."""
    lines = []
    for label, images in rows:
        height = images[0].shape[0]
        line = np.hstack([cv2.copyMakeBorder(i, 2, 2, 2, 2, cv2.BORDER_CONSTANT) for i in images])
        cv2.putText(
            line, label[:90], (9, height - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA
        )
        cv2.putText(
            line, label[:90], (8, height - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA
        )
        lines.append(line)
    width = max(line.shape[1] for line in lines)
    return np.vstack([np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0))) for line in lines])


def sheets(
    names: list[str], height: int, places: list[str], prompts: Path | None
) -> Iterator[tuple[str, Image]]:
    if "places" in names:
        times = list(table("times"))
        for place in places:
            yield (
                f"places-{place}",
                grid(
                    (
                        f"{place}: {', '.join(times[i : i + 3])}",
                        [picture(f"{place}, {t}", height)[0] for t in times[i : i + 3]],
                    )
                    for i in range(0, len(times), 3)
                ),
            )
    if "weather" in names:
        weathers = list(table("weathers"))
        for place in places:
            yield (
                f"weather-{place}",
                grid(
                    (
                        f"{place}: {', '.join(weathers[i : i + 4])}",
                        [picture(f"{place}, {w}", height)[0] for w in weathers[i : i + 4]],
                    )
                    for i in range(0, len(weathers), 4)
                ),
            )
    if "aspects" in names:
        aspects: tuple[AspectRatio, ...] = ("16:9", "1:1", "9:16")
        yield "aspects", grid(
            (place, [cv2.resize(i, None, fx=height / i.shape[0], fy=height / i.shape[0], interpolation=cv2.INTER_AREA)
                     for a in aspects for i in picture(place, height, aspect=a)])
            for place in places
        )  # fmt: skip
    if "moves" in names:
        for place in places[:2]:
            yield (
                f"moves-{place}",
                grid(
                    (f"{place}, {move}", picture(f"{place}, {move}", height, at=(0, 0.33, 0.66, 1)))
                    for move in table("camera")
                ),
            )
    if "motion" in names:
        yield (
            "motion",
            grid((place, picture(place, height, at=[0.5 + k / 120 for k in range(5)])) for place in places),
        )
    if "prompts" in names and prompts:
        lines = [line for line in prompts.read_text().splitlines() if line.strip()]
        yield (
            "prompts",
            grid(
                (
                    " / ".join(lines[i : i + 4]),
                    [
                        picture(line, height, seed=i + k, cfg=0.5)[0]
                        for k, line in enumerate(lines[i : i + 4])
                    ],
                )
                for i in range(0, len(lines), 4)
            ),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=["places", "weather", "aspects", "moves", "motion"])
    parser.add_argument("--places", nargs="*", default=list(every_place()))
    parser.add_argument("--height", type=int, default=216)
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/sheets"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, image in sheets(options.only, options.height, options.places, options.prompts):
        cv2.imwrite(str(options.out / f"{name}.png"), image)
        print(options.out / f"{name}.png", flush=True)


if __name__ == "__main__":
    main()
