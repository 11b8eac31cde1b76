"""A photograph in motion: analysed once, then warped, its sky drifting and its weather falling, frame by frame.

It is warped as luma and chroma planes, so it never passes through light: nothing of the photograph's own tones is lost.
Where the foreground is sure it moves as a layer of its own; otherwise depth is smooth and the move gentler.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np

from rushes.core.request import Phase
from rushes.engines.animatic.photo.depth import Depth, analyse
from rushes.engines.animatic.photo.flow import Clouds, Fall, Flow, Lapse, Ripples
from rushes.engines.animatic.photo.grade import asked, graded
from rushes.engines.animatic.photo.layer import cut
from rushes.engines.animatic.photo.moves import shift_at
from rushes.engines.animatic.photo.sky import SURE, SURE_WHEN_NAMED, Sky
from rushes.engines.animatic.photo.warp import GRID, Shift, grid_map
from rushes.engines.animatic.photo.water import Water, find_fall, find_water
from rushes.engines.animatic.post.falling import Falling
from rushes.engines.animatic.post.splat import splat
from rushes.engines.animatic.post.tone import finish
from rushes.engines.animatic.prompt.brief import Brief
from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.scene.graph import Scene, Weather
from rushes.engines.animatic.scene.path import Move
from rushes.engines.animatic.sound.mix import mix
from rushes.engines.animatic.tables import open_air, table
from rushes.engines.animatic.world.lightning import Lightning
from rushes.engines.base import Control, Picture, Plan, Report, Samples

SPARE = 1.2
"""The photograph is kept this much larger than the picture, so that a move into it stays sharp."""
WATERS = frozenset({"sea", "coast", "beach", "lake", "river", "waterfall", "harbour"})
WATER_READ = frozenset({"water", *(f"place:{name}" for name in WATERS)})
"""What words for water are read as."""
AIRY = frozenset({"clear", "cloudy", "overcast", "storm", "windy", "time lapse", "sky"})
"""Words that are said of what is above."""
REACH = 0.14
"""Long sides of the photograph from the sky's edge to where clouds drift at full speed."""
OPEN = frozenset({"sea", "coast", "beach"})
"""Places with water, and those whose waves are long."""
FINE = 180
"""Nodes that the grid of what flows has at least, as far as there are pixels."""
FOG, HAZE = 0.5, 0.16
"""Of the picture, what fog takes half-way; and what the haze of rain or snow does."""
GENTLE = 0.7
"""Strength of a move without a sure foreground."""


@dataclass(frozen=True)
class _Front:
    """The foreground as planes of its own, all at one nearness; `cover` at the sizes of luma and of chroma."""

    y: Plane
    cb: Plane
    cr: Plane
    cover: tuple[Plane, Plane]
    near: float


@dataclass(frozen=True)
class _Stream:
    """What flows: `mask` 0…1 is how much of its way it goes at each place of the photograph. At its edges it stands
    still, so that it drags nothing along and leaves no gap. `pace` 1 is its usual speed."""

    mask: Plane
    flow: Flow
    pace: float = 1.0


class PhotoFilm:
    """The film of a photograph. A stated weather falls in front of it; the rest of the scene is the photograph's."""

    report: Report

    def __init__(self, image: Picture, scene: Scene, brief: Brief, plan: Plan, control: Control) -> None:
        control.progress(Phase.RENDER, 0.0, "looking at the photograph")
        self.plan = plan
        self._path = scene.path
        if not brief.moves:
            self._path = replace(scene.path, moves=(Move.named("dolly in", table("camera")["dolly in"]),))
        fitted = _fit(image, math.ceil(plan.width * SPARE), math.ceil(plan.height * SPARE))
        self._depth = analyse(fitted)
        control.check()
        y, c = _planes(fitted)
        self._grade = asked(brief, y, c)
        self._y, c = graded(y, c, self._grade)
        # Planes of one channel are warped twice as fast as those of two.
        self._cb, self._cr = (np.ascontiguousarray(c[..., k]) for k in range(2))
        # Water glints against the light around it.
        eighth = (max(fitted.shape[1] // 8, 2), max(fitted.shape[0] // 8, 2))
        small = cv2.resize(self._y, eighth, interpolation=cv2.INTER_AREA)
        self._smooth = cv2.GaussianBlur(small, (0, 0), max(eighth) / 100)
        self._water = _water(self._depth, brief)
        self._drifts = drifts(self._depth.sky, brief)
        self._streams = tuple(self._flowing(scene, brief))
        self._front = self._split() if self._depth.foreground.sure else None
        control.check()
        self._strength = 1.0 if self._front else GENTLE
        weather = _weather(scene, brief)
        light = float(self._y.mean() - 16) / 219
        air = replace(scene.air, horizon=(light,) * 3, ambient=(light,) * 3)
        self._falling = Falling(weather, air, 1.2, 1.0, scene.seed)
        self._lightning = Lightning(weather.lightning, scene.seconds, scene.seed)
        foggy = weather.name == "fog" and bool(brief.weathers)
        self._fog = FOG if foggy else HAZE * min(weather.snow + weather.rain, 1)
        self._veil = np.float32(16 + 219 * min(max(1.7 * light, 0.25), 0.85))
        self._corners = _corners(plan.width, plan.height, self._grade.vignette)
        self._seed, self._seconds, self._pace = scene.seed, scene.seconds, scene.pace
        self._sounds = _sounds(scene, brief, self._water)
        self.report = self._account(scene, brief)

    def frame(self, number: int) -> Picture:
        # The camera keeps its own time, whatever pace the world is given.
        clock = number / self.plan.fps
        t = clock * self._pace
        width, height = self.plan.width, self.plan.height
        shift = shift_at(self._path, clock, self._strength, width / height, self._depth.close)
        size = (max(width // GRID, 8), max(height // GRID, 8))
        near = np.asarray(cv2.resize(self._depth.near, size, interpolation=cv2.INTER_AREA), np.float32)
        # Ripples are finer than the grid of the move.
        fine = (max(2 * size[0], min(width, FINE)), max(2 * size[1], min(height, FINE)))
        u, v = (
            cv2.resize(p, fine, interpolation=cv2.INTER_LINEAR) for p in grid_map(near, shift, width / height)
        )
        (y, cb, cr), turn = self._draw(u, v, clock, 0)
        if turn is not None:
            second, _ = self._draw(u, v, clock, 1)
            y, cb, cr = (b + (a - b) * _wide(turn, b) for a, b in zip((y, cb, cr), second, strict=True))
        if front := self._front:
            large, small = front.cover
            for out, plane, cover in ((y, front.y, large), (cb, front.cb, small), (cr, front.cr, small)):
                _lay(out, plane, cover, shift, front.near)
        if self._fog:
            # It thickens with distance.
            veil = cv2.remap(self._depth.near, *_texels(u, v, self._depth.near), cv2.INTER_LINEAR)
            veil = np.clip(np.float32(1.35 * self._fog) - veil * np.float32(0.7 * self._fog), 0, 1)
            y += (self._veil - y) * _wide(veil, y)
            clear = 1 - _wide(veil, cb)
            cb *= clear
            cr *= clear
        bright = 1 + 0.6 * self._lightning.flash(clock)
        if bright > 1 or self._corners is not None:
            y -= 16
            y *= np.float32(bright) if self._corners is None else self._corners * np.float32(bright)
            y += 16
        out = np.empty(width * height * 3 // 2, np.uint8)
        finish(y, cb, cr, out, self._grade.grain, (self._seed + number * 131) & 0x7FFFFFFF)
        pose = replace(self._path.base, zoom=1.15, rise=0.0, x=0.0, y=2.0, z=0.0, yaw=0.0, roll=0.0)
        splat(out, width, height, self._falling.items(pose, t, width, height))
        return out.reshape(height * 3 // 2, width)

    def sound(self) -> Samples:
        return mix(self._sounds, self._seconds, self._seed)

    def _account(self, scene: Scene, brief: Brief) -> Report:
        """What became of the prompt. What it names is the photograph's own, and is not drawn into it."""
        named = [word for word, kind in brief.readings if kind.startswith(("subject:", "action:"))]
        # So are water and clouds, which only move where they are sure to be.
        flowing = frozenset() if self._water.sure else WATER_READ
        flowing |= frozenset() if self._drifts else {"weather:cloudy"}
        still = [
            word
            for word, kind in brief.readings
            if kind in flowing and kind.rpartition(":")[2] not in brief.without
        ]
        not_drawn = tuple(dict.fromkeys((*named, *still, *brief.undrawn)))
        warnings = []
        if not brief.understood:
            warnings.append("Nothing in the prompt was understood; the move is the engine's own choice.")
        if not_drawn:
            words = ", ".join(not_drawn)
            warnings.append(
                f"A photograph keeps what it shows; nothing was added or set in motion for: {words}."
            )
        return Report(
            understood=brief.understood,
            ignored=brief.ignored,
            warnings=tuple(warnings),
            details={
                "kind": "animatic preview",
                "camera": list(self._path.names),
                "time": brief.times[0] if brief.times else "as photographed",
                "weather": scene.weather.name if brief.weathers else "as photographed",
                "depth": "layers" if self._front else "smooth",
                "foreground confidence": round(self._depth.foreground.confidence, 2),
                "sky": "moving" if self._drifts else "still",
                "sky confidence": round(self._depth.sky.confidence, 2),
                "water": "moving" if self._water.sure else "still",
                "water confidence": round(self._water.confidence, 2),
                "not_drawn": list(not_drawn),
                "seed": scene.seed,
            },
        )

    def _flowing(self, scene: Scene, brief: Brief) -> Iterator[_Stream]:
        """What flows by itself: the sky, and water that is sure."""
        sky, water = self._depth.sky, self._water
        if self._drifts:
            wind = scene.weather.wind * scene.sky_pace
            lapse = Lapse(wind, scene.seed) if scene.sky_pace > 1 else Clouds(wind, scene.seconds)
            yield _Stream(reach(sky.mask), lapse)
        if not water.sure:
            return
        if water.falls:
            yield _Stream(water.mask, Fall(scene.seed), scene.pace)
            return
        strength = math.sqrt(min(scene.weather.wind, 2.5))
        strength *= 0.5 if "calm" in brief.moods else 1.6 if "rough" in brief.moods else 1.0
        length = 2.0 if OPEN & {*brief.places, *brief.implied} else 1.0
        aspect = self._y.shape[1] / self._y.shape[0]
        yield _Stream(water.mask, Ripples(water.horizon, aspect, length, strength, scene.seed), scene.pace)

    def _split(self) -> _Front:
        """Cut the foreground out of the planes, and its place out of the depth."""
        rows, columns = self._y.shape
        half = (self._cb.shape[1], self._cb.shape[0])
        wide = [cv2.resize(p, (columns, rows), interpolation=cv2.INTER_LINEAR) for p in (self._cb, self._cr)]
        parts = cut(np.dstack([self._y, *wide]).astype(np.float32), self._depth.foreground)

        def planes(picture: Plane) -> tuple[Plane, Plane, Plane]:
            y, cb, cr = (np.ascontiguousarray(picture[..., k]) for k in range(3))
            cb, cr = (cv2.resize(p, half, interpolation=cv2.INTER_AREA) for p in (cb, cr))
            return y, cb, cr

        self._y, self._cb, self._cr = planes(parts.back)
        # It stands where its foot meets the ground.
        row = min(int(self._depth.foreground.foot * self._depth.near.shape[0]), self._depth.near.shape[0] - 1)
        near = float(np.clip(self._depth.near[row].mean() + 0.08, 0.3, 0.95))
        small = cv2.resize(parts.cover, half, interpolation=cv2.INTER_AREA)
        return _Front(*planes(parts.front), (parts.cover, small), near)

    def _draw(
        self, u: Plane, v: Plane, clock: float, phase: int
    ) -> tuple[tuple[Plane, Plane, Plane], Plane | None]:
        """Luma and chroma of the picture seen through the grid, all flowing a step further; and how much of it is to be
        the first phase's, where something has two."""
        from_u, from_v, glint, turn = u.copy(), v.copy(), np.zeros_like(u), None
        for stream in self._streams:
            seen = cv2.remap(stream.mask, *_texels(u, v, stream.mask), cv2.INTER_LINEAR)
            used = np.flatnonzero(seen.max(axis=1) > 0.004)
            if not len(used):
                continue
            rows = slice(int(used[0]), int(used[-1]) + 1)
            # Two rows are the least that a gradient needs.
            rows = slice(min(rows.start, len(seen) - 2), max(rows.stop, rows.start + 2))
            step = stream.flow.step(u[rows], v[rows], clock * stream.pace, phase)
            from_u[rows] += step.across * seen[rows]
            from_v[rows] += step.down * seen[rows]
            if step.glint is not None:
                glint[rows] += step.glint * seen[rows]
            if step.turn is not None:
                turn = np.ones(u.shape, np.float32) if turn is None else turn
                # Where nothing flows both phases are the same; where two things do, each keeps its own turn.
                turn[rows] = np.where(seen[rows] > 0, step.turn, turn[rows])
        width, height = self.plan.width, self.plan.height
        across, down = _places(from_u, from_v, width, height, self._y)
        y: Plane = cv2.remap(self._y, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        across, down = _places(from_u, from_v, width // 2, height // 2, self._cb)
        cb, cr = (
            cv2.remap(p, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            for p in (self._cb, self._cr)
        )
        if glint.any():
            across, down = _places(from_u, from_v, u.shape[1], u.shape[0], self._smooth)
            low = cv2.remap(self._smooth, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            used = np.flatnonzero(np.abs(glint).max(axis=1) > 0.001)
            band = slice(int(used[0]) * height // len(u), -(-(int(used[-1]) + 1) * height // len(u)))
            gain, base = (_wide(p, y)[band] for p in (glint, glint * (np.float32(0.05) * (low - 16) - low)))
            y[band] += y[band] * gain + base
        return (y, cb, cr), turn


def _lay(out: Plane, plane: Plane, cover: Plane, shift: Shift, near: float) -> None:
    """Put a plane of the foreground over `out` where it is `cover`ed, moved as everything at its nearness moves."""
    height, width = out.shape
    rows, columns = plane.shape
    z = near - shift.anchor
    enlarge = shift.zoom * (1 + shift.dolly * near)
    x = shift.x * z + shift.pan_x
    y = (shift.y * z + shift.pan_y) * width / height
    c, s = math.cos(shift.roll) / enlarge, math.sin(shift.roll) / enlarge
    sx, sy = columns / width, rows / height
    back = np.array(
        [
            [
                c * sx,
                -s * sx,
                (0.5 + x) * columns - 0.5 - (c * width - s * height) / 2 * sx + 0.5 * c * sx,
            ],
            [s * sy, c * sy, (0.5 + y) * rows - 0.5 - (s * width + c * height) / 2 * sy + 0.5 * c * sy],
        ],
        np.float32,
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    share = cv2.warpAffine(cover, back, (width, height), flags=flags)
    moved = cv2.warpAffine(plane, back, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    out += (moved - out) * share


def _weather(scene: Scene, brief: Brief) -> Weather:
    """Only what was asked for falls on a photograph."""
    weather = replace(scene.weather, motes=0.0, bubbles=0.0)
    if not brief.weathers:
        weather = replace(weather, rain=0.0, snow=0.0, lightning=0.0)
    return weather if brief.season else replace(weather, petals=0.0, leaves=0.0)


def _sounds(scene: Scene, brief: Brief, water: Water) -> Mapping[str, float]:
    """Those of the place that was named; otherwise of wind and what moves."""
    if brief.places or brief.implied:
        return scene.sounds
    sounds = {name: scene.sounds.get(name, 0.0) for name in ("rain", "thunder")} if brief.weathers else {}
    sounds["wind"] = 0.2 + 0.2 * scene.weather.wind
    if water.sure:
        sounds["waves"] = 0.4
    return sounds


def _corners(width: int, height: int, vignette: float) -> Plane | None:
    """How bright the picture stays at each place under a vignette, as `develop` darkens it."""
    if not vignette:
        return None
    across = (np.arange(width, dtype=np.float32) + np.float32(0.5)) / np.float32(width) - np.float32(0.5)
    down = (np.arange(height, dtype=np.float32) + np.float32(0.5)) / np.float32(height) - np.float32(0.5)
    far = (across * across)[None] + (down * down)[:, None]
    # The photograph has been through its own curve, which a lens' shadow comes before: half of it is right.
    return np.asarray(1 - np.float32(vignette) * far, np.float32)


def _texels(u: Plane, v: Plane, plane: Plane) -> tuple[Plane, Plane]:
    return u * np.float32(plane.shape[1] - 1), v * np.float32(plane.shape[0] - 1)


def _places(u: Plane, v: Plane, width: int, height: int, plane: Plane) -> tuple[Plane, Plane]:
    """Columns and rows of `plane` that a picture `width` × `height` is taken from, by a grid of places 0…1."""
    rows, columns = plane.shape
    size = (width, height)
    across, down = u * np.float32(columns) - np.float32(0.5), v * np.float32(rows) - np.float32(0.5)
    # The grid is scaled, not what becomes of it: that is the same, and forty times less.
    return (
        cv2.resize(across, size, interpolation=cv2.INTER_LINEAR),
        cv2.resize(down, size, interpolation=cv2.INTER_LINEAR),
    )


def _wide(share: Plane, plane: Plane) -> Plane:
    """`share` of a grid enlarged to the size of `plane` (h, w)."""
    return cv2.resize(share, (plane.shape[1], plane.shape[0]), interpolation=cv2.INTER_LINEAR)


def _water(depth: Depth, brief: Brief) -> Water:
    """The water of the photograph that may move."""
    said = {*brief.places, *brief.implied}
    if "waterfall" in said and (fall := find_fall(depth.small, depth.sky)).sure:
        return fall
    water = find_water(depth.small, depth.sky, depth.horizon, bool(WATERS & said))
    return replace(water, sure=water.sure and not WATERS & brief.without)


def drifts(sky: Sky, brief: Brief) -> bool:
    """Whether what looks like a sky moves."""
    said = {*brief.places, *brief.implied}
    inside = {name for name in said if not open_air(name)}
    named = said - inside or AIRY & {*brief.weathers, *brief.effects, *brief.archetypes}
    sure = sky.confidence >= (SURE_WHEN_NAMED if named else SURE)
    return sure and not inside and not {"windy", "cloudy"} & brief.without


def reach(sky: Plane) -> Plane:
    """How far what drifts in the sky goes, 0…1: the less the nearer it is to what stands before the sky. So do clouds
    near a horizon, and those beside a tree are not torn by it."""
    away = cv2.distanceTransform((sky > 0.6).astype(np.uint8), cv2.DIST_L2, 5)
    far = np.clip(away / (REACH * max(sky.shape)), 0, 1)
    return np.asarray(far * far * (3 - 2 * far), np.float32)


def _fit(image: Picture, width: int, height: int) -> Picture:
    """Cover `width` × `height`: scaled, and cut where the aspect differs, evenly at the sides and more below than above,
    where heads are."""
    rows, columns = image.shape[:2]
    k = max(width / columns, height / rows)
    size = (max(width, round(columns * k)), max(height, round(rows * k)))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if k > 1 else cv2.INTER_AREA)
    x, y = (size[0] - width) // 2, (size[1] - height) // 3
    return np.ascontiguousarray(scaled[y : y + height, x : x + width])


def _planes(image: Picture) -> tuple[Plane, Plane]:
    """BT.709 luma (H, W) in 16…235 and chroma (H/2, W/2, 2) around 0."""
    rgb = image.astype(np.float32) / np.float32(255)
    luma = rgb @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    chroma = np.stack(
        [(rgb[..., 2] - luma) * np.float32(224 / 1.8556), (rgb[..., 0] - luma) * np.float32(224 / 1.5748)],
        axis=2,
    )
    half = (max(image.shape[1] // 2, 1), max(image.shape[0] // 2, 1))
    return luma * np.float32(219) + np.float32(16), cv2.resize(chroma, half, interpolation=cv2.INTER_AREA)
