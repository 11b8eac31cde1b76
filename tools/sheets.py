"""Contact sheets of the animatic engine, to be looked at: `python -m tools.sheets [KIND …] [--only PLACE …]`.

Kinds, one sheet per place: `light` (time × weather), `shapes` (aspect ratio × time), `seasons`, `variety` (seeds at
cfg 0), `moves` (a film strip per camera move), `motion` (neighbouring frames, to see flicker). One for all: `looks`,
`photos` (photographs × moves, weathers and looks), `prompts` (the lines of --prompts).

Photographs come from the folder --photos; without one, six pictures of the engine's own stand in for them. Real ones
that anybody can have lie in Debian's opencv-doc (a lake, a tree, a bird, streets), plasma-workspace-wallpapers,
lomiri-wallpapers-16.04 and mate-backgrounds, and in the wheels of scikit-learn and scikit-image 0.15 (a portrait, a
temple, coffee, a flower).

Every picture is kept under the fingerprint of the engine's sources and data, so a broken run goes on where it stopped
and a changed engine is drawn anew. `index.html` in the folder shows what is finished, from the first sheet on.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

import rushes.engines.animatic
from rushes.core.shot import AspectRatio, Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.animatic.film import film
from rushes.engines.animatic.tables import places, table
from rushes.engines.base import Unheard

Image = npt.NDArray[np.uint8]
ASPECTS: tuple[AspectRatio, ...] = ("16:9", "1:1", "9:16")
MOVES = ("static shot", "dolly in", "orbit", "pan right", "crane up")
PHOTO_WORDS = (
    ("static shot", "dolly in"), ("dolly out", "pan right"), ("pan left", "tilt down"), ("tilt up", "orbit"),
    ("crane up", "truck left"), ("crane down", "truck right"), ("zoom in", "handheld"), ("zoom out", "drone"),
    ("snow", "heavy rain"), ("fog", "windy"), ("time lapse of clouds", "slow motion, snow"), ("sunset", "at night"),
    ("film noir", "vintage film"),
)  # fmt: skip
STAND_INS = ("lake", "sea", "mountains", "city", "forest", "waterfall")
"""Places that are drawn as photographs where there are none: sky, water, streets, things near and far."""
STRIP = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
FPS = 24


@dataclass(frozen=True)
class Cell:
    """One clip on a sheet: its words, and the shares `at` (0…1) of its length that are shown side by side."""

    label: str
    prompt: str
    aspect: AspectRatio | None = "16:9"
    at: tuple[float, ...] = (0.5,)
    seed: int = 1
    cfg: float = 1.0
    photo: Path | None = None


@dataclass(frozen=True)
class Sheet:
    name: str
    rows: tuple[tuple[Cell, ...], ...]


def draw(cell: Cell, height: int) -> Image:
    """The BGR frames of a cell side by side, each `height` pixels high."""
    photo = None
    if cell.photo:
        photo = cv2.cvtColor(cv2.imread(str(cell.photo), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    # The option is the short side; wide and square pictures have it upright, tall ones are reduced afterwards.
    engine = AnimaticEngine({"height": height, "fps": FPS})
    shot = Shot(
        prompt=cell.prompt, aspect_ratio=cell.aspect, seed=cell.seed, cfg_scale=cell.cfg, has_image=photo is not None
    )  # fmt: skip
    plan = engine.plan(shot, None if photo is None else (photo.shape[1], photo.shape[0]))
    made = film(shot, plan, photo, engine.rendered(plan), Unheard())
    images = []
    for u in cell.at:
        image = cv2.cvtColor(made.frame(min(int(u * plan.frames), plan.frames - 1)), cv2.COLOR_YUV2BGR_I420)
        if plan.height != height:
            width = round(plan.width * height / plan.height)
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        images.append(cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_CONSTANT))
    return np.hstack(images)


def captioned(image: Image, text: str) -> Image:
    """The picture with its label in the lower left corner."""
    out, at, font = image.copy(), (6, image.shape[0] - 7), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(out, text[:80], at, font, 0.38, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(out, text[:80], at, font, 0.38, (255, 255, 255), 1, cv2.LINE_AA)
    return out


def pasted(rows: Sequence[Sequence[Image]]) -> Image:
    """Rows of pictures below each other."""
    lines = [np.hstack(row) for row in rows]
    width = max(line.shape[1] for line in lines)
    return np.vstack([np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0))) for line in lines])


def _lines(cells: Iterable[Cell], length: int) -> tuple[tuple[Cell, ...], ...]:
    every = tuple(cells)
    return tuple(every[at : at + length] for at in range(0, len(every), length))


def _words(kind: str, name: str) -> str:
    """The first phrase by which a prompt asks for this time or weather."""
    return str(table("lexicon")[kind][name][0])


def photographs(folder: Path | None, out: Path) -> list[Path]:
    """The pictures in `folder`; without one, stand-ins drawn into `out`."""
    if folder is not None:
        kinds = (".jpg", ".jpeg", ".png", ".webp")
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in kinds)
    out.mkdir(parents=True, exist_ok=True)
    stills = [out / f"{place}.png" for place in STAND_INS]
    for still in stills:
        if not still.exists():
            cv2.imwrite(str(still), draw(Cell(still.stem, f"{still.stem} by day, static shot"), 480))
    return stills


def sheets(
    kinds: Sequence[str], only: Sequence[str], photos: Sequence[Path], prompts: Path | None
) -> Iterator[Sheet]:
    times = {name: _words("time", name) for name in table("times")}
    weathers = {
        name: _words("weather", name) for name in table("weathers") if name in table("lexicon")["weather"]
    }
    for place in only:
        for kind in kinds:
            rows: tuple[tuple[Cell, ...], ...] = ()
            if kind == "light":
                rows = tuple(
                    tuple(Cell(f"{t}, {w}", f"{place}, {by}, {seen}") for w, seen in weathers.items())
                    for t, by in times.items()
                )
            elif kind == "shapes":
                cells = [
                    Cell(f"{place}, {t} {a}", f"{place}, {by}", a) for t, by in times.items() for a in ASPECTS
                ]
                rows = _lines(cells, 2 * len(ASPECTS))
            elif kind == "seasons":
                cells = [
                    Cell(s, f"{place} in {s}, {by}")
                    for by in ("day", "golden hour")
                    for s in table("seasons")
                ]
                rows = _lines(cells, 4)
            elif kind == "variety":
                rows = _lines((Cell(f"seed {n}", place, seed=n, cfg=0.0) for n in range(1, 13)), 4)
            elif kind == "moves":
                rows = tuple((Cell(move, f"{place}, {move}", at=STRIP),) for move in MOVES)
            elif kind == "motion":
                at = tuple(0.5 + k / (5 * FPS) for k in range(6))
                rows = tuple((Cell(move, f"{place}, {move}", at=at),) for move in MOVES[:2])
            if rows:
                yield Sheet(f"{place}-{kind}", tuple(rows))
    if "looks" in kinds:
        looks = [name for name in table("lexicon")["look"] if name in table("looks")]
        cells = [
            Cell(f"{p}, {look}", f"{p}, {_words('look', look)}") for p in list(only)[:4] for look in looks
        ]
        yield Sheet("looks", _lines(cells, len(looks)))
    for path in photos:
        yield Sheet(
            f"photo-{path.stem}",
            tuple(
                tuple(
                    Cell(w, w if w in table("camera") else w + ", static shot", None, STRIP[::2], photo=path)
                    for w in row
                )
                for row in PHOTO_WORDS
            ),
        )
    if "prompts" in kinds and prompts:
        lines = [line.strip() for line in prompts.read_text().splitlines() if line.strip()]
        cells = [Cell(line, line, seed=number, cfg=0.5) for number, line in enumerate(lines)]
        for number, page in enumerate(_lines(cells, 24)):
            yield Sheet(f"prompts-{number:02}", _lines(page, 4))


def fingerprint() -> str:
    """What the pictures depend on: the engine's sources and small tables."""
    folder = Path(rushes.engines.animatic.__file__).parent
    seen = hashlib.sha256()
    for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.toml")]):
        seen.update(path.read_bytes())
    return seen.hexdigest()[:12]


def kept(folder: Path, cell: Cell, height: int) -> Path:
    """Where the picture of a cell lies, drawn or not."""
    stamp = "" if cell.photo is None else str(cell.photo.stat().st_mtime_ns)
    name = hashlib.sha256(f"{cell} {height} {stamp}".encode()).hexdigest()[:24]
    return folder / f"{name}.png"


def index(folder: Path, done: int, total: int) -> None:
    """Write `index.html`: every sheet that lies in the folder, grouped by the first word of its name."""
    groups: dict[str, list[str]] = {}
    for name in sorted(path.stem for path in folder.glob("*.png")):
        groups.setdefault(name.split("-")[0], []).append(name)
    links = " ".join(f'<a href="#{html.escape(g)}">{html.escape(g)}</a>' for g in groups)
    body = "".join(
        f'<h2 id="{html.escape(group)}">{html.escape(group)}</h2>'
        + "".join(
            f'<figure id="{html.escape(name)}"><figcaption>{html.escape(name)}</figcaption>'
            f'<a href="{html.escape(name)}.png"><img loading="lazy" alt="{html.escape(name)}"'
            f' src="{html.escape(name)}.png"></a></figure>'
            for name in members
        )
        for group, members in groups.items()
    )
    (folder / "index.html").write_text(
        "<!doctype html><meta charset=utf-8><title>Contact sheets</title><style>body{font:14px system-ui;margin:2em;"
        "background:#181818;color:#ddd}a{color:#9cf}img{max-width:100%}figure{margin:1em 0}"
        "nav{position:sticky;top:0;background:#181818;padding:.5em 0}</style>"
        f"<h1>Contact sheets</h1><p>{done} of {total} sheets of the last run.</p><nav>{links}</nav>{body}\n",
        encoding="utf-8",
    )


def main() -> None:
    every = ("light", "shapes", "seasons", "variety", "moves", "motion", "looks", "photos")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join((*every, 'prompts'))}; all but the last")  # fmt: skip
    parser.add_argument("--only", nargs="+", metavar="PLACE", default=list(places()), choices=list(places()))
    parser.add_argument("--height", type=int, default=180, help="of a picture, in pixels")
    parser.add_argument("--photos", type=Path, help="a folder of pictures to set in motion")
    parser.add_argument("--prompts", type=Path, help="a text file, a prompt a line")
    parser.add_argument("--out", type=Path, default=Path("out/sheets"))
    options = parser.parse_args()
    if unknown := set(options.kinds) - {*every, "prompts"}:
        parser.error(f"KIND: {', '.join(sorted(unknown))} not known; of {', '.join((*every, 'prompts'))}")
    kinds = options.kinds or [*every, *(["prompts"] if options.prompts else [])]
    cache = options.out / "pictures" / fingerprint()
    cache.mkdir(parents=True, exist_ok=True)
    photos = photographs(options.photos, cache / "stills") if "photos" in kinds else []
    todo = list(sheets(kinds, options.only, photos, options.prompts))
    wanted = [cell for sheet in todo for row in sheet.rows for cell in row]
    left = sum(not kept(cache, cell, options.height).exists() for cell in wanted)
    print(f"{len(todo)} sheets of {len(wanted)} clips; {len(wanted) - left} are drawn already", flush=True)
    done: list[Sheet] = []
    started, drawn = time.monotonic(), 0
    for sheet in todo:
        rows = []
        for row in sheet.rows:
            images = []
            for cell in row:
                path = kept(cache, cell, options.height)
                if not path.exists():
                    # Written under another name first: a broken run leaves no half picture.
                    part = path.with_name(f"part-{path.name}")
                    cv2.imwrite(str(part), draw(cell, options.height))
                    part.replace(path)
                    drawn += 1
                images.append(captioned(np.asarray(cv2.imread(str(path)), np.uint8), cell.label))
            rows.append(images)
        cv2.imwrite(str(options.out / f"{sheet.name}.png"), pasted(rows))
        done.append(sheet)
        index(options.out, len(done), len(todo))
        rest = (time.monotonic() - started) / max(drawn, 1) * (left - drawn)
        print(
            f"[{len(done)}/{len(todo)}] {options.out / sheet.name}.png, about {rest / 60:.0f} min left",
            flush=True,
        )
    print(options.out / "index.html")


if __name__ == "__main__":
    main()
