"""A photograph in motion: analysed once, then warped, its sky drifting and its weather falling, frame by frame.

It is warped as luma and chroma planes, so it never passes through light: nothing of the photograph's own tones is lost.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rushes.engines.animatic.photo.depth import analyse
from rushes.engines.animatic.photo.fill import fill
from rushes.engines.animatic.photo.moves import shift_at
from rushes.engines.animatic.photo.warp import GRID, grid_map
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
FLOW = 0.035
"""Widths that clouds drift in a second of breeze."""


class PhotoFilm:
    """The film of a photograph. A stated weather falls in front of it; the rest of the scene is the photograph's."""

    report: Report

    def __init__(self, image: Picture, scene: Scene, brief: Brief, plan: Plan, control: Control) -> None:
        from rushes.engines.animatic.film import report_of

        self.plan = plan
        self._moves_sky = not {"windy", "cloudy"} & brief.without
        path = scene.path
        if not brief.moves:
            path = replace(path, moves=(Move.named("dolly in", table("camera")["dolly in"]),))
        self._path = replace(path, base=replace(path.base, roll=0.0))
        stated = (
            scene.weather if brief.weathers else replace(scene.weather, rain=0.0, snow=0.0, lightning=0.0)
        )
        width, height = plan.width, plan.height
        fitted = _fit(image, math.ceil(width * SPARE), math.ceil(height * SPARE))
        control.check()
        self._depth = analyse(fitted)
        control.check()
        self._y, self._c = _planes(fitted)
        self._sky_y, self._sky_c = (sky_alone(plane, self._depth.sky) for plane in (self._y, self._c))
        light = float(self._y.mean() - 16) / 219
        air = replace(scene.air, horizon=(light,) * 3, ambient=(light,) * 3)
        self._falling = Falling(stated, air, 1.2, 1.0, scene.seed)
        self._fog = (
            0.35 if stated.name == "fog" and brief.weathers else 0.22 * min(stated.snow + stated.rain, 1)
        )
        self._wind = FLOW * min(stated.wind, 2.5) * 0.4
        self._seed, self._seconds = scene.seed, scene.seconds
        self._sounds = scene.sounds
        self._static = "static" in path.names
        details = {**scene.details, "camera": list(path.names), "depth": "smooth"}
        for key in ("place", "time", "subjects"):
            details.pop(key)
        details["weather"] = stated.name if brief.weathers else "as photographed"
        self.report = replace(report_of(scene, brief), details=details)

    def frame(self, number: int) -> Picture:
        t = number / self.plan.fps
        width, height = self.plan.width, self.plan.height
        size = (max(width // GRID, 8), max(height // GRID, 8))
        near = cv2.resize(self._depth.near, size, interpolation=cv2.INTER_AREA)
        u, v = grid_map(near, shift_at(self._path, t, 1.0), width / height)
        y = self._sample(self._y, self._sky_y, u, v, width, height, t, cv2.INTER_CUBIC)
        chroma = self._sample(self._c, self._sky_c, u, v, width // 2, height // 2, t, cv2.INTER_LINEAR)
        if self._fog:
            y += (np.float32(200) - y) * np.float32(self._fog)
            chroma *= np.float32(1 - self._fog)
        out = np.empty(width * height * 3 // 2, np.uint8)
        cb, cr = (np.ascontiguousarray(chroma[..., k]) for k in range(2))
        finish(y, cb, cr, out, f4(0.004), i4((self._seed + number * 131) & 0x7FFFFFFF))
        pose = replace(self._path.base, zoom=1.15, rise=0.0, x=0.0, y=2.0, z=0.0, yaw=0.0)
        splat(out, width, height, self._falling.items(pose, t, width, height))
        return out.reshape(height * 3 // 2, width)

    def sound(self) -> Samples:
        return mix(self._sounds, self._seconds, self._seed)

    def _sample(
        self, plane: Plane, sky: Plane, u: Plane, v: Plane, width: int, height: int, t: float, method: int
    ) -> Plane:
        """The plane seen through the grid; sky drifts in two phases that take turns, so it flows and never jumps.
        It drifts in `sky`, where nothing else stands: what is before it must not be carried along."""
        rows, columns = plane.shape[:2]
        across = cv2.resize(u, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(
            columns
        ) - np.float32(0.5)
        down = cv2.resize(v, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(rows) - np.float32(
            0.5
        )
        out: Plane = cv2.remap(plane, across, down, method, borderMode=cv2.BORDER_REFLECT)
        if not self._moves_sky or not self._depth.sky.any():
            return out
        # Only the rows that hold sky are drawn again.
        mask_grid = cv2.remap(
            self._depth.sky,
            u * (self._depth.sky.shape[1] - 1),
            v * (self._depth.sky.shape[0] - 1),
            cv2.INTER_LINEAR,
        )
        used = np.flatnonzero(mask_grid.max(axis=1) > 0.02)
        if not len(used):
            return out
        last = min(height, int((used[-1] + 2) * height / mask_grid.shape[0]))
        mask = cv2.resize(mask_grid, (width, height), interpolation=cv2.INTER_LINEAR)[:last]
        period = 4.0
        drifted = np.zeros_like(out[:last])
        for phase in (0.0, 0.5):
            p = (t / period + phase) % 1
            weight = np.float32(1 - abs(2 * p - 1))
            offset = np.float32((p - 0.5) * self._wind * period * columns)
            moved = across[:last] - offset * mask
            drifted += weight * cv2.remap(sky, moved, down[:last], method, borderMode=cv2.BORDER_REFLECT)
        if drifted.ndim == 3:
            mask = mask[..., None]
        out[:last] += (drifted - out[:last]) * mask
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
