"""A photograph in motion: analysed once, then warped, its sky drifting and its weather falling, frame by frame.

It is warped as luma and chroma planes, so it never passes through light: nothing of the photograph's own tones is lost.
Where the foreground is sure it moves as a layer of its own; otherwise depth is smooth and the move gentler.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rushes.engines.animatic.photo.depth import analyse
from rushes.engines.animatic.photo.fill import fill
from rushes.engines.animatic.photo.layer import cut
from rushes.engines.animatic.photo.moves import shift_at
from rushes.engines.animatic.photo.warp import GRID, Shift, grid_map
from rushes.engines.animatic.post.falling import Falling
from rushes.engines.animatic.post.splat import splat
from rushes.engines.animatic.post.tone import finish
from rushes.engines.animatic.prompt.brief import Brief
from rushes.engines.animatic.runtime import Plane, f4, i4
from rushes.engines.animatic.scene.graph import Scene
from rushes.engines.animatic.scene.path import Move
from rushes.engines.animatic.sound.mix import mix
from rushes.engines.animatic.tables import table
from rushes.engines.base import Control, Picture, Plan, Samples

if TYPE_CHECKING:
    from rushes.engines.base import Report

SPARE = 1.2
"""The photograph is kept this much larger than the picture, so that a move into it stays sharp."""
FLOW = 0.014
"""Widths that clouds drift in a second of breeze."""
GENTLE = 0.7
"""Strength of a move without a sure foreground."""
PERIOD = 4.0
"""Seconds after which drifting sky starts again, in two phases that take turns."""


@dataclass(frozen=True)
class _Front:
    """The foreground as planes of its own, all at one nearness."""

    y: Plane
    c: Plane
    cover: Plane
    near: float


class PhotoFilm:
    """The film of a photograph. A stated weather falls in front of it; the rest of the scene is the photograph's."""

    report: Report

    def __init__(self, image: Picture, scene: Scene, brief: Brief, plan: Plan, control: Control) -> None:
        from rushes.engines.animatic.film import report_of

        self.plan = plan
        self._path = scene.path
        if not brief.moves:
            self._path = replace(scene.path, moves=(Move.named("dolly in", table("camera")["dolly in"]),))
        self._moves_sky = not {"windy", "cloudy"} & brief.without
        weather = scene.weather
        if not brief.weathers:
            weather = replace(weather, rain=0.0, snow=0.0, lightning=0.0)
        if not brief.season:
            weather = replace(weather, petals=0.0, leaves=0.0)
        weather = replace(weather, motes=0.0, bubbles=0.0)
        fitted = _fit(image, math.ceil(plan.width * SPARE), math.ceil(plan.height * SPARE))
        self._depth = analyse(fitted)
        control.check()
        self._y, self._c = _planes(fitted)
        # Clouds drift in a sky where nothing else stands: what is before it must not be carried along.
        self._sky_y, self._sky_c = (sky_alone(plane, self._depth.sky) for plane in (self._y, self._c))
        self._front = self._split() if self._depth.foreground.sure else None
        control.check()
        self._strength = 1.0 if self._front else GENTLE
        light = float(self._y.mean() - 16) / 219
        air = replace(scene.air, horizon=(light,) * 3, ambient=(light,) * 3)
        self._falling = Falling(weather, air, 1.2, 1.0, scene.seed)
        self._fog = (
            0.35 if weather.name == "fog" and brief.weathers else 0.2 * min(weather.snow + weather.rain, 1)
        )
        self._wind = FLOW * min(weather.wind, 2.5)
        self._seed, self._seconds, self._sounds = scene.seed, scene.seconds, scene.sounds
        self.report = replace(
            report_of(scene, brief),
            details={
                "kind": "animatic preview",
                "camera": list(self._path.names),
                "weather": weather.name if brief.weathers else "as photographed",
                "depth": "layers" if self._front else "smooth",
                "foreground confidence": round(self._depth.foreground.confidence, 2),
                "seed": scene.seed,
            },
        )

    def frame(self, number: int) -> Picture:
        t = number / self.plan.fps
        width, height = self.plan.width, self.plan.height
        shift = shift_at(self._path, t, self._strength)
        size = (max(width // GRID, 8), max(height // GRID, 8))
        near = np.asarray(cv2.resize(self._depth.near, size, interpolation=cv2.INTER_AREA), np.float32)
        u, v = grid_map(near, shift, width / height)
        y = self._sample(self._y, self._sky_y, u, v, width, height, t, cv2.INTER_CUBIC)
        chroma = self._sample(self._c, self._sky_c, u, v, width // 2, height // 2, t, cv2.INTER_LINEAR)
        if self._front:
            self._lay(y, self._front.y, shift, self._front)
            self._lay(chroma, self._front.c, shift, self._front)
        if self._fog:
            y += (np.float32(200) - y) * np.float32(self._fog)
            chroma *= np.float32(1 - self._fog)
        out = np.empty(width * height * 3 // 2, np.uint8)
        cb, cr = (np.ascontiguousarray(chroma[..., k]) for k in range(2))
        finish(y, cb, cr, out, f4(0.004), i4((self._seed + number * 131) & 0x7FFFFFFF))
        pose = replace(self._path.base, zoom=1.15, rise=0.0, x=0.0, y=2.0, z=0.0, yaw=0.0, roll=0.0)
        splat(out, width, height, self._falling.items(pose, t, width, height))
        return out.reshape(height * 3 // 2, width)

    def sound(self) -> Samples:
        return mix(self._sounds, self._seconds, self._seed)

    def _split(self) -> _Front:
        """Cut the foreground out of the planes, and its place out of the depth."""
        chroma = cv2.resize(self._c, (self._y.shape[1], self._y.shape[0]), interpolation=cv2.INTER_LINEAR)
        parts = cut(np.dstack([self._y, chroma]).astype(np.float32), self._depth.foreground)
        half = (self._c.shape[1], self._c.shape[0])
        self._y = np.ascontiguousarray(parts.back[..., 0])
        self._c = cv2.resize(np.ascontiguousarray(parts.back[..., 1:]), half, interpolation=cv2.INTER_AREA)
        front = cv2.resize(np.ascontiguousarray(parts.front[..., 1:]), half, interpolation=cv2.INTER_AREA)
        # It stands where its foot meets the ground.
        row = min(int(self._depth.foreground.foot * self._depth.near.shape[0]), self._depth.near.shape[0] - 1)
        near = float(np.clip(self._depth.near[row].mean() + 0.08, 0.3, 0.95))
        return _Front(np.ascontiguousarray(parts.front[..., 0]), front, parts.cover, near)

    def _lay(self, out: Plane, plane: Plane, shift: Shift, front: _Front) -> None:
        """Put the foreground over `out`, moved as everything at its nearness moves."""
        height, width = out.shape[:2]
        rows, columns = plane.shape[:2]
        z = front.near - shift.anchor
        enlarge = shift.zoom * (1 + shift.dolly * front.near)
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
        if front.cover.shape != (rows, columns):
            cover = cv2.resize(front.cover, (columns, rows), interpolation=cv2.INTER_AREA)
        else:
            cover = front.cover
        share = cv2.warpAffine(cover, back, (width, height), flags=flags)
        moved = cv2.warpAffine(plane, back, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        out += (moved - out) * (share[..., None] if out.ndim == 3 else share)

    def _sample(
        self, plane: Plane, sky: Plane, u: Plane, v: Plane, width: int, height: int, t: float, method: int
    ) -> Plane:
        """The plane seen through the grid; in its sky `sky` drifts, in two phases that take turns, so that it flows
        and never jumps."""
        rows, columns = plane.shape[:2]
        across = cv2.resize(u, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(
            columns
        ) - np.float32(0.5)
        down = cv2.resize(v, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(rows) - np.float32(
            0.5
        )
        out: Plane = cv2.remap(plane, across, down, method, borderMode=cv2.BORDER_REFLECT)
        where = self._depth.sky
        if not self._moves_sky or not where.any():
            return out
        h, w = where.shape
        seen = cv2.remap(where, u * np.float32(w - 1), v * np.float32(h - 1), cv2.INTER_LINEAR)
        used = np.flatnonzero(seen.max(axis=1) > 0.02)
        if not len(used):
            return out
        # Only the rows that hold sky are drawn again.
        last = min(height, int((used[-1] + 2) * height / seen.shape[0]))
        mask = np.asarray(
            cv2.resize(seen, (width, height), interpolation=cv2.INTER_LINEAR)[:last], np.float32
        )
        drifted = np.zeros_like(out[:last])
        for phase in (0.0, 0.5):
            p = (t / PERIOD + phase) % 1
            offset = np.float32((p - 0.5) * self._wind * PERIOD * columns)
            moved = across[:last] - offset * mask
            weight = np.float32(1 - abs(2 * p - 1))
            drifted += weight * cv2.remap(
                sky, moved, down[:last], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
            )
        out[:last] += (drifted - out[:last]) * (mask[..., None] if out.ndim == 3 else mask)
        return out


def sky_alone(plane: Plane, sky: Plane) -> Plane:
    """The plane with everything that stands before the sky painted over by the sky around it."""
    if not sky.any():
        return plane
    rows, columns = plane.shape[:2]
    reach = max(sky.shape[1] // 60, 1) * 2 + 1
    safe = cv2.erode((sky > 0.9).astype(np.float32), np.ones((reach, reach), np.uint8))
    return fill(plane, cv2.resize(safe, (columns, rows), interpolation=cv2.INTER_LINEAR))


def _fit(image: Picture, width: int, height: int) -> Picture:
    """Cover `width` × `height`: scaled, and cut evenly where the aspect differs."""
    rows, columns = image.shape[:2]
    k = max(width / columns, height / rows)
    size = (max(width, round(columns * k)), max(height, round(rows * k)))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if k > 1 else cv2.INTER_AREA)
    x, y = (size[0] - width) // 2, (size[1] - height) // 2
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
